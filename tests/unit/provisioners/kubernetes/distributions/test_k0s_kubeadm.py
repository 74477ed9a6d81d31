"""k0s and kubeadm: their files and command lines, which nobody has run here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import NodeNotReady
from dinv.provisioners.kubernetes.distributions.k0s import CONFIG, K0s
from dinv.provisioners.kubernetes.distributions.kubeadm import CONFIG as DOCUMENTS
from dinv.provisioners.kubernetes.distributions.kubeadm import Kubeadm
from dinv.provisioners.kubernetes.node import AGENT, SERVER, Node

if TYPE_CHECKING:
    from dinv.provisioners.kubernetes.node import Inside


def node(role: str = SERVER, **given: Any) -> Node:
    return Node(**{"name": "k1", "role": role, "identity": "i", "state": "/s", **given})


class Machine:
    """Answers commands with what it was told to; keeps what it is given."""

    def __init__(self, **answers: tuple[int, bytes]) -> None:
        self.answers = answers
        self.ran: list[tuple[str, ...]] = []
        self.files: dict[str, bytes] = {}

    def run(self, *argv: str, **_: object) -> tuple[int, bytes, str]:
        self.ran.append(argv)
        status, said = self.answers.get(argv[1], (0, b""))
        return status, said, "no luck" if status else ""

    def read(self, path: str) -> bytes:
        return self.files.get(path, b"")

    def write_secret(self, path: str, content: bytes) -> bool:
        self.files[path] = content
        return True


def inside(machine: Machine) -> Inside:
    return cast("Inside", machine)


def test_k0s_has_etcd_where_the_address_stays() -> None:
    [file] = K0s().files(node(ip="10.0.0.2", addresses=["10.0.0.2"]))
    assert file.path == CONFIG
    spec = json.loads(file.content)["spec"]
    assert spec["api"] == {"port": 6443, "sans": ["10.0.0.2"], "address": "10.0.0.2"}
    assert spec["storage"] == {"type": "etcd", "etcd": {"peerAddress": "10.0.0.2"}}
    [file] = K0s().files(node(addresses=["127.0.0.1"]))
    assert json.loads(file.content)["spec"]["storage"] == {"type": "kine"}
    assert K0s().files(node(AGENT, server="https://k:1")) == []


def test_k0s_is_a_controller_that_works_or_a_worker() -> None:
    controller = K0s().services(node(settings={"labels": ["a=b c"]}))["k0s"]
    assert controller.startswith(
        "exec /usr/local/bin/k0s controller --config=/etc/k0s/k0s.yaml --enable-worker"
    )
    assert "'--labels=a=b c'" in controller
    worker = K0s().services(node(AGENT, server="https://k:1", adjustments={"kubelet-arg": ["x=y"]}))["k0s"]
    assert worker == (
        "exec /usr/local/bin/k0s worker --token-file=/s/ticket "
        "'--kubelet-extra-args=--hostname-override=k1 --x=y'\n"
    )


def test_k0s_makes_tickets_that_expire() -> None:
    machine = Machine(token=(0, b"H4sI\n"))
    assert K0s().ticket(inside(machine), AGENT) == b"H4sI\n"
    assert machine.ran == [("/usr/local/bin/k0s", "token", "create", "--role=worker", "--expiry=1h")]
    assert K0s().ticket(inside(Machine(token=(1, b""))), SERVER) == b""


def documents(node: Node) -> dict[str, Any]:
    text = next(file.content for file in Kubeadm().files(node) if file.path == DOCUMENTS).decode()
    return {each["kind"]: each for each in map(json.loads, filter(None, text.split("---\n")))}


def test_kubeadm_begins_a_cluster_of_one_node_that_runs_pods() -> None:
    found = documents(
        node(
            ip="10.0.0.2",
            addresses=["a"],
            adjustments={
                "kubelet-arg": [
                    "feature-gates=KubeletInUserNamespace=true",
                    "system-reserved=cpu=1,memory=2Ki",
                ]
            },
        )
    )
    assert found["InitConfiguration"]["nodeRegistration"]["taints"] == []
    assert found["ClusterConfiguration"]["apiServer"] == {"certSANs": ["a"]}
    kubelet = found["KubeletConfiguration"]
    assert kubelet["featureGates"] == {"KubeletInUserNamespace": True}
    assert kubelet["systemReserved"] == {"cpu": "1", "memory": "2Ki"}
    assert documents(node(AGENT, server="https://k:1")) == {}
    assert set(Kubeadm().services(node())) == {"kubernetes-containerd", "kubelet"}


def test_kubeadm_joins_by_a_file_with_what_the_server_said() -> None:
    said = b"kubeadm join 10.0.0.2:6443 --token abc.def --discovery-token-ca-cert-hash sha256:0123\n"
    server = Machine(token=(0, said), init=(0, b"[upload-certs] key:\nfedc\n"))
    ticket = Kubeadm().ticket(inside(server), SERVER)
    joining = Machine()
    joining.files["/s/ticket"] = ticket
    Kubeadm().started(inside(joining), node(server="https://10.0.0.2:6443", ip="10.0.0.3"), timeout=9)
    assert joining.ran == [("/usr/bin/kubeadm", "join", "--config=/s/join.json")]
    document = json.loads(joining.files["/s/join.json"])
    assert document["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "10.0.0.2:6443",
        "token": "abc.def",
        "caCertHashes": ["sha256:0123"],
    }
    assert document["controlPlane"]["certificateKey"] == "fedc"
    assert Kubeadm().ticket(inside(Machine(token=(0, b"something else"))), AGENT) == b""


def test_kubeadm_does_it_once_and_says_why_it_fails() -> None:
    done = Machine()
    done.files["/etc/kubernetes/kubelet.conf"] = b"there"
    Kubeadm().started(inside(done), node(), timeout=9)
    assert done.ran == []
    with pytest.raises(NodeNotReady, match="kubeadm init failed: no luck"):
        Kubeadm().started(inside(Machine(init=(1, b"[preflight]"))), node(), timeout=9)
