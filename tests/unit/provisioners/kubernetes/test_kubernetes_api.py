"""The client of the Kubernetes API, against one that answers 401 to whoever has no certificate."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from kubernetes_api import node, pod, serving

from dinv.errors import KubernetesError
from dinv.provisioners.kubernetes import api
from dinv.provisioners.kubernetes.api import Api
from dinv.provisioners.kubernetes.kubeconfigs import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubernetes_api import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with serving(tmp_path) as found:
        yield found


def client(cluster: Cluster, server: str = "") -> Api:
    return Api("k1", server or cluster.server, cluster.credentials)


def test_it_is_ready_when_it_says_so(cluster: Cluster) -> None:
    assert client(cluster).not_ready() == ""
    assert client(cluster).version() == "v1.33.5+k3s1"
    cluster.ready = "[-]etcd failed"
    assert client(cluster).not_ready() == "[-]etcd failed"


def test_who_has_another_certificate_is_not_let_in(cluster: Cluster) -> None:
    assert Api("k1", cluster.server, cluster.anonymous).not_ready()


def test_a_certificate_for_other_addresses_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, names=("10.0.0.9",)) as cluster:
        why = client(cluster).not_ready()
    assert "its certificate is not for 127.0.0.1" in why
    assert not cluster.calls  # nothing was sent


def test_nobody_there(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(KubernetesError, match="cannot be reached") as caught:
        client(cluster, f"https://127.0.0.1:{port}").nodes()
    assert caught.value.status == 0


def test_one_that_is_silent_is_not_waited_for(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"https://127.0.0.1:{silent.getsockname()[1]}"
        quick = Api("k1", server, cluster.credentials, timeout=0.1)
        assert "does not answer in 0.1 s" in quick.not_ready()


def test_credentials_that_are_none_are_an_error(cluster: Cluster) -> None:
    pem = b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    with pytest.raises(KubernetesError, match="cannot be used"):
        Api("k1", cluster.server, Credentials(pem, pem, pem))


def test_nodes_come_in_pages(cluster: Cluster) -> None:
    cluster.nodes = {name: node(name) for name in ("a", "b", "c")}
    cluster.page = 2
    assert list(client(cluster).nodes()) == ["a", "b", "c"]


def test_a_node_that_is_not_there_is_none_and_deleting_it_no_error(cluster: Cluster) -> None:
    cluster.nodes["a"] = node("a")
    assert client(cluster).node("b") is None
    client(cluster).delete_node("b")
    client(cluster).delete_node("a")
    assert client(cluster).nodes() == {}
    with pytest.raises(KubernetesError, match="not found") as caught:
        client(cluster).cordon("a", on=True)
    assert caught.value.status == 404


def test_cordon_and_back(cluster: Cluster) -> None:
    cluster.nodes["a"] = node("a")
    client(cluster).cordon("a", on=True)
    assert api.state(cluster.nodes["a"]) == "drained"
    client(cluster).cordon("a", on=False)
    assert api.state(cluster.nodes["a"]) == "ready"


def test_pods_of_the_node_itself_stay(cluster: Cluster) -> None:
    cluster.pods = [
        pod("web", "a"),
        pod("other", "b"),
        pod("proxy", "a", kind="DaemonSet"),
        pod("etcd", "a", mirror=True),
        pod("job", "a", phase="Succeeded"),
    ]
    assert client(cluster).pods_to_move("a") == [("default", "web")]


def test_a_pod_that_may_not_go_yet(cluster: Cluster) -> None:
    cluster.pods = [pod("web", "a"), pod("db", "a")]
    cluster.held = {"db"}
    found = client(cluster)
    assert found.evict("default", "web")
    assert not found.evict("default", "db")
    assert found.evict("default", "gone")


@pytest.mark.parametrize("raw", [b"", b"[]", b"not json", b"null"])
def test_odd_answers(cluster: Cluster, raw: bytes) -> None:
    cluster.raw = raw
    if raw == b"not json":
        with pytest.raises(KubernetesError, match="not JSON"):
            client(cluster).nodes()
    else:
        assert client(cluster).nodes() == {}


def test_an_answer_without_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_BYTES", 100)
    cluster.raw = bytes(1000)
    with pytest.raises(KubernetesError, match="no end"):
        client(cluster).nodes()


def test_what_a_node_says() -> None:
    assert api.why_not_ready(None) == "the cluster does not know it yet"
    assert api.why_not_ready(node("a", ready=False)) == "no network"
    assert api.why_not_ready({}) == "it has not said how it is"
    assert api.state(node("a", ready=False, cordoned=True)) == "not ready"
    assert api.is_server(node("a", server=True))
    assert not api.is_server({})


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("2026-11-30T04:00:00Z", 1796011200.0), ("", 0.0), (None, 0.0), ("yesterday", 0.0)],
)
def test_when_a_node_was_last_heard_of(said: str | None, seconds: float) -> None:
    found = node("a")
    found["status"]["conditions"][0]["lastHeartbeatTime"] = said
    assert api.last_heard(found) == seconds
    assert api.last_heard({}) == 0.0
