"""A machine's part in a Kubernetes cluster: joined, resting, left; with a store, and an API that answers."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from kubernetes_api import ETCD, node, pod, serving

from dinv import drivers
from dinv.errors import (
    CannotJoin,
    CannotLeave,
    ClusterError,
    KubeconfigError,
    KubernetesError,
    NodeNotReady,
    NotSupported,
    OptionError,
    QuorumAtRisk,
    RequirementMissing,
)
from dinv.images.dinv import DinvContract
from dinv.progress import Progress
from dinv.provisioners.kubernetes import (
    api,
    joining,
    kubeconfigs,
    leaving,
    options,
    requirements,
    servers,
    working,
)
from dinv.provisioners.kubernetes.distributions import k3s
from dinv.provisioners.kubernetes.distributions.k3s import CONFIG
from dinv.provisioners.kubernetes.membership import KubernetesMembership
from dinv.provisioners.kubernetes.provisioner import KubernetesProvisioner
from dinv.provisioners.membership import Standing
from dinv.states import RUNNING, STOPPED, Status
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubernetes_api import Cluster

    from dinv.channel import File
    from dinv.drivers import Driver

TOKEN = b"K10" + b"a" * 64 + b"::server:Hush\n"
KERNEL = "end=yes"


class Lines(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def line(self, label: str, text: str, state: str = "") -> None:
        self.said.append(f"{label} {text} {state}")

    def note(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(f"Warning: {text}")


class Machine:
    """A machine's inside: files, services, and a k3s that is said to be well."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.files: dict[str, bytes] = {}
        self.ran: list[tuple[str, ...]] = []
        self.state = RUNNING
        self.services = (0, b"k3s: runs, process 7\n")
        self.failing = ""
        self.clock = b""
        """What `date +%s` and `ps -o etimes=` say."""

    def put(self, files: Any) -> None:
        self.files |= {file.path: file.content for file in cast("list[File]", list(files))}

    def run(self, argv: Any, *, stdin: Any = None, stdout: Any, stderr: Any, timeout: float) -> int:
        self.ran.append(tuple(argv))
        if self.failing and self.failing in " ".join(argv):
            stderr(b"no luck\n")
            return 1
        if argv[:2] == ("sh", "-c") and "etimes" in argv[2]:
            stdout(self.clock)
            return 0
        if argv[:2] == ("test", "-d"):
            return 1 - any(path.startswith(f"{argv[2]}/") for path in self.files)
        if argv[0] == "cat":
            content = self.files.get(argv[1])
            stdout(content or b"")
            return 0 if content is not None else 1
        if stdin is not None:
            self.files[argv[-1]] = stdin.read()
        if argv[:2] == ["rm", "-f"] or argv[:2] == ("rm", "-f"):
            for path in argv[2:]:
                self.files.pop(path, None)
        if argv[-1] == "reload":
            begins = any(path.startswith("/etc/dinv/services/") for path in self.files)
            (self.world.started if begins else self.world.ended)(self)
        if argv[-1] == "status":
            stdout(self.services[1])
            return self.services[0]
        return 0


class World:
    """The machines, and what happens to the cluster when a service begins."""

    def __init__(self, path: Path, cluster: Cluster) -> None:
        self.store = Store(str(path / "store"))
        self.cluster = cluster
        self.machines: dict[str, Machine] = {}
        self.apart = ""
        self.around: list[str] = ["172.17.0.0/16", "fd00::/64"]
        self.fixed = True
        self.reached: tuple[str, int] | None = ("127.0.0.1", int(cluster.server.rpartition(":")[2]))
        self.tried: tuple[int, bytes] | None = (0, kernel())
        self.becomes_ready = True

    def started(self, machine: Machine) -> None:
        config = machine.files.get(CONFIG, b"").decode()
        server = "tls-san" in config
        if server:
            machine.files["/etc/rancher/k3s/k3s.yaml"] = kubeconfig(self.cluster)
            machine.files["/var/lib/rancher/k3s/server/token"] = TOKEN
            if "server:" in config or "cluster-init" in config:
                machine.files["/var/lib/rancher/k3s/server/db/etcd/member/wal/0.wal"] = b""
        if not machine.services[1]:
            machine.services = (0, b"k3s: runs, process 7\n")
        name = machine.name.lower()
        made = node(name, server=server, ready=self.becomes_ready)
        if server:
            made["metadata"]["annotations"] = {f"{ETCD}/node-name": f"{name}-1"}
        self.cluster.nodes.setdefault(name, made)

    def ended(self, machine: Machine) -> None:
        """Of two members of etcd one that is gone is enough: nothing can be changed then."""
        machine.services = (0, b"")
        about = self.cluster.nodes.get(machine.name.lower(), {}).get("metadata", {})
        if f"{ETCD}/node-name" in about.get("annotations", {}):
            self.cluster.stuck = "etcdserver: request timed out"

    def driver(self, config: MachineConfig, *_: object, **__: object) -> Driver:
        return cast("Driver", FakeDriver(self, config))

    def membership(self, name: str, **given: Any) -> KubernetesMembership:
        """A machine's that is in the store, or is about to be."""
        if os.path.exists(os.path.join(self.store.path, "machines", name, "config.json")):
            config = self.store.load(name)
        else:
            config = MachineConfig.new(
                name=name,
                store_path=self.store.path,
                driver_name="docker",
                identity=f"id-{name}",
                created="2026-11-30T00:00:00Z",
            )
            os.makedirs(config.directory, exist_ok=True)
        self.machines.setdefault(name, Machine(self, name))
        values = {"join": None, "role": None, "distribution": None, "kube_opt": (), "kubeconfig": False}
        return KubernetesMembership(config, self.driver(config), DinvContract(), options=values | given)

    def made(self, name: str, **given: Any) -> KubernetesMembership:
        """One that has joined."""
        membership = self.membership(name, **given)
        membership.check(Progress())
        self.store.save(membership.config)
        membership.join(Progress(), timeout=60)
        membership.config.phase = READY
        self.store.save(membership.config)
        return membership


class FakeDriver:
    name = "fake"

    def __init__(self, world: World, config: MachineConfig) -> None:
        self.world, self.config, self.store = world, config, world.store
        self.local_only = True
        self.own_ip = f"10.0.0.{len(config.name)}"

    @property
    def fixed_ip(self) -> str:
        return self.own_ip if self.world.fixed else ""

    def addresses(self) -> list[str]:
        return ["127.0.0.1", "k1.example"]

    def apart(self, _other: MachineConfig) -> str:
        return self.world.apart

    def surroundings(self) -> list[str]:
        return self.world.around

    def reached_at(self, _config: MachineConfig, _port: int) -> tuple[str, int] | None:
        return self.world.reached

    def channel(self) -> Machine:
        return self.world.machines[self.config.name]

    def state(self, *, timeout: float) -> Status:
        assert timeout
        return Status(self.world.machines[self.config.name].state)

    def last_log_lines(self, _count: int) -> list[str]:
        return ["k3s: fatal: no luck", "dockerd: fine"]

    def try_out(self, command: Any, *, timeout: float) -> tuple[int, bytes] | None:
        assert command[:2] == ["sh", "-c"]
        assert timeout
        return self.world.tried

    def close(self) -> None:
        pass


def kubeconfig(cluster: Cluster) -> bytes:
    import base64

    ca, certificate, key = (base64.b64encode(each).decode() for each in cluster.credentials)
    text = f"    certificate-authority-data: {ca}\n    client-certificate-data: {certificate}\n"
    return f"{text}    client-key-data: {key}\n".encode()


def kernel(**given: str) -> bytes:
    words = ("sysctl-net", "sysctl-kernel", "propagation", "overlay", "vxlan", "br_netfilter", "ipset")
    found = dict.fromkeys(words, "yes") | {"cgroup": "v2", "memory": "9999999", "cpus": "2", "end": "yes"}
    found |= {f"cgroup-{name}": "yes" for name in ("cpu", "cpuset", "memory", "pids")}
    found |= {f"iptables-{name}": "yes" for name in requirements.IPTABLES}
    found |= {"program:/usr/local/bin/k3s": "yes", "program:/usr/local/lib/dinv/services": "yes"}
    return "".join(f"{key}={value}\n" for key, value in {**found, **given}.items()).encode()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with serving(tmp_path) as cluster:
        found = World(tmp_path, cluster)
        monkeypatch.setattr(drivers, "of", lambda _config: found.driver)
        monkeypatch.setattr(joining, "POLL_SECONDS", 0.01)
        monkeypatch.setattr(working, "POLL_SECONDS", 0.01)
        monkeypatch.setattr(working, "DRAIN_SECONDS", 0.2)
        yield found


# Beginning and joining


def test_the_first_is_a_server_and_its_kubeconfig_is_in_its_directory(world: World) -> None:
    membership, progress = world.membership("k1"), Lines()
    membership.check(progress)
    world.store.save(membership.config)
    membership.examine(progress)
    membership.join(progress, timeout=60)
    kept = membership.config.membership
    assert (kept["Cluster"], kept["Role"], kept["Node"], kept["Joined"]) == ("k1", "server", "k1", True)
    assert kept["API"] == world.cluster.server
    assert progress.said == [f"Kubernetes v1.33.5+k3s1, node k1 (server) at {world.cluster.server} ready"]
    path = os.path.join(membership.config.directory, "kubeconfig")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert servers.client(membership.config).not_ready() == ""
    environment = KubernetesProvisioner.credentials(membership.config)
    assert environment["KUBECONFIG"] == path
    assert "Hush" not in str(membership.config.document())


def test_who_joins_gets_the_token_as_a_file_and_from_nowhere_else(world: World) -> None:
    world.made("k1")
    progress = Lines()
    membership = world.membership("k2", join="k1")
    membership.check(progress)
    world.store.save(membership.config)
    membership.join(progress, timeout=60)
    inside = world.machines["k2"]
    assert inside.files[membership.node().ticket] == TOKEN
    assert "Hush" not in str(inside.ran)
    assert b"Hush" not in inside.files[CONFIG]
    assert b'server: "https://10.0.0.2:6443"' in inside.files[CONFIG]
    kept = membership.config.membership
    assert (kept["Cluster"], kept["Role"], kept["ClusterID"]) == ("k1", "agent", "id-k1")
    assert progress.said == [
        f"Kubernetes v1.33.5+k3s1, node k2 of k1 (agent) at {world.cluster.server} ready"
    ]


def test_all_servers_have_the_same_settings(world: World) -> None:
    world.tried = (0, kernel(ipset="no"))
    first = world.membership("k1", kube_opt=["disable=traefik", "node-label=a=b"])
    first.config.provisioner_options = {"kube_opt": ["disable=traefik", "node-label=a=b"]}
    first.check(Progress())
    first.examine(Progress())
    first.join(Progress(), timeout=60)
    first.config.phase = READY
    world.store.save(first.config)
    world.tried = (0, kernel(vxlan="no"))
    for name, join in (("srv", "k1"), ("third", "srv")):
        server = world.membership(name, join=join, role="server")
        server.check(Progress())
        server.examine(Progress())
        server.join(Progress(), timeout=60)
        server.config.phase = READY
        world.store.save(server.config)
        text = world.machines[name].files[CONFIG].decode()
        assert 'disable: "traefik"' in text
        assert "disable-network-policy: true" in text
        assert "flannel-backend" not in text
        assert "node-label" not in text
    agent = world.membership("agent2", join="k1")
    agent.check(Progress())
    agent.join(Progress(), timeout=60)
    assert "traefik" not in world.machines["agent2"].files[CONFIG].decode()


def test_a_join_that_was_killed_anywhere_is_finished_by_the_next(world: World) -> None:
    world.made("k1")
    membership = world.membership("k2", join="k1")
    membership.check(Progress())
    world.store.save(membership.config)
    for failing in ("cat >", "reload"):
        world.machines["k2"].failing = failing
        with pytest.raises(ClusterError):
            membership.join(Progress(), timeout=60)
        assert world.store.load("k2").membership["Node"] == "k2"  # by which it can leave
    world.machines["k2"].failing = ""
    for _ in range(2):
        world.membership("k2", join="k1").join(Progress(), timeout=60)
    assert world.store.load("k2").membership["Joined"] is True


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", ["join", "leave"])
@pytest.mark.parametrize("role", ["agent", "server"])
def test_killed_at_any_call_it_is_joined_or_left_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, after: str, role: str
) -> None:
    world.made("k1")
    monkeypatch.setattr(k3s, "POLL_SECONDS", 0.01)
    calls, kill_at = 0, 0
    run, put, call = Machine.run, Machine.put, api.Api._call

    def counted(real: Any) -> Any:
        def tick(*words: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                raise Killed
            return real(*words, **more)

        return tick

    for owner, name, real in ((Machine, "run", run), (Machine, "put", put), (api.Api, "_call", call)):
        monkeypatch.setattr(owner, name, counted(real))
    for kill_at in range(1, 60):  # noqa: B007  (what `counted` looks at)
        calls = -1000
        agent = world.membership("k2", join="k1", role=role)
        agent.check(Progress())
        world.store.save(agent.config)
        calls = 0
        try:
            agent.join(Progress(), timeout=60)
        except Killed:
            done = False
        else:
            done = True
        calls = -1000
        again = world.membership("k2", join="k1", role=role)
        if after == "join":
            again.join(Progress(), timeout=60)
            assert world.store.load("k2").membership["Joined"] is True
            assert api.is_ready(world.cluster.nodes["k2"])
        assert again.leave(Lines(), force=False) == []
        again.forget()
        assert list(world.cluster.nodes) == ["k1"]
        assert not os.path.exists(os.path.join(again.config.directory, "kubeconfig"))
        world.store.remove("k2")
        del world.machines["k2"]
        if done:
            break
    else:
        pytest.fail("it makes more calls than that")
    assert kill_at > 8


def test_names_of_nodes_are_lower_case(world: World) -> None:
    membership = world.made("Box")
    assert membership.config.membership["Node"] == "box"
    assert b'node-name: "box"' in world.machines["Box"].files[CONFIG]


def test_a_service_that_keeps_ending_is_not_waited_for(world: World) -> None:
    world.becomes_ready = False
    membership = world.membership("k1")
    membership.check(Progress())
    world.store.save(membership.config)
    world.machines["k1"].services = (1, b"k3s: ended with status 1, and is started again\n")
    with pytest.raises(NodeNotReady, match="ended with status 1") as caught:
        membership.join(Progress(), timeout=60)
    assert caught.value.log == ["k3s: fatal: no luck"]


def test_a_node_that_does_not_get_ready_in_time_says_why(world: World) -> None:
    world.becomes_ready = False
    membership = world.membership("k1")
    membership.check(Progress())
    world.store.save(membership.config)
    with pytest.raises(NodeNotReady, match="no network"):
        membership.join(Progress(), timeout=0.1)


def test_what_a_node_said_before_it_was_started_does_not_count(world: World) -> None:
    membership = world.made("k1")
    condition = world.cluster.nodes["k1"]["status"]["conditions"][0]
    condition["lastHeartbeatTime"] = "2026-11-30T04:00:00Z"
    began = 1796011200  # the same
    world.machines["k1"].clock = f"{began + 90}\n    30\n".encode()
    with pytest.raises(NodeNotReady, match="not been heard of since it was started"):
        membership.resume(Progress(), timeout=0.1)
    for clock in (f"{began + 90}\n    90\n", f"{began + 900}\n    3000\n", "", "date: not found"):
        world.machines["k1"].clock = clock.encode()
        membership.resume(Progress(), timeout=0.1)


def test_a_port_that_is_not_published_is_named(world: World) -> None:
    world.reached = None
    membership = world.membership("k1")
    membership.check(Progress())
    world.store.save(membership.config)
    with pytest.raises(ClusterError, match=r"Port 6443 .* is not published"):
        membership.join(Progress(), timeout=1)


@pytest.mark.parametrize(
    ("change", "given", "match"),
    [
        (lambda world: world.machines, {"join": "k1", "distribution": "k0s"}, "k0s was asked for"),
        (lambda world: setattr(world, "apart", "they are on two networks"), {"join": "k1"}, "two networks"),
        (lambda world: setattr(world.cluster, "ready", "[-]etcd"), {"join": "k1"}, "does not answer: "),
        (lambda world: world.cluster.nodes.update(k2=node("k2")), {"join": "k1"}, "has a node k2 already"),
    ],
)
def test_what_cannot_be_joined(world: World, change: Any, given: dict[str, Any], match: str) -> None:
    world.made("k1")
    change(world)
    with pytest.raises(CannotJoin, match=match):
        world.membership("k2", **given).check(Progress())


def test_only_servers_of_a_cluster_are_joined_by(world: World) -> None:
    world.made("k1")
    world.made("k2", join="k1")
    with pytest.raises(CannotJoin, match=r"it is an agent\. Join by a server: k1"):
        world.membership("k3", join="k2").check(Progress())
    plain = world.membership("plain")
    world.store.save(plain.config)
    with pytest.raises(CannotJoin, match="not a node of a Kubernetes cluster"):
        world.membership("k3", join="plain").check(Progress())
    half = world.membership("half")
    half.check(Progress())
    world.store.save(half.config)
    with pytest.raises(CannotJoin, match="not got ready itself"):
        world.membership("k3", join="half").check(Progress())


def test_no_server_joins_one_whose_address_may_change(world: World) -> None:
    world.fixed = False
    world.made("k1")
    assert b"cluster-init" not in world.machines["k1"].files[CONFIG]
    with pytest.raises(CannotJoin, match="takes no other server"):
        world.membership("k2", join="k1", role="server").check(Progress())
    world.membership("k2", join="k1").check(Progress())


def test_the_first_is_no_agent_and_settings_of_dinvs_stay_so() -> None:
    with pytest.raises(OptionError, match="the first one is a server"):
        options.check({"role": "agent"})
    options.check({"role": "agent", "join": "k1"})
    with pytest.raises(OptionError, match="token"):
        options.check({"distribution": "k3s", "kube_opt": ["token=x"]})


def test_subnets_that_are_there_already_are_warned_of(world: World) -> None:
    progress = Lines()
    world.membership("k1").check(progress)
    assert progress.said == []
    world.around = ["10.42.7.0/24"]
    world.membership("k1").check(progress)
    assert "10.42.7.0/24 is around k1" in progress.said[0]
    world.membership("k1", kube_opt=["cluster-cidr=10.60.0.0/16"]).check(progress)
    assert len(progress.said) == 1


# What the endpoint has to have


def test_an_image_without_the_program_is_said_how_to_get(world: World) -> None:
    world.tried = (0, kernel(**{"program:/usr/local/bin/k3s": "no"}))
    with pytest.raises(RequirementMissing, match="image build --with k3s=FILE"):
        world.membership("k1").examine(Progress())


def test_what_is_missing_is_said_and_the_rest_made_up_for(world: World) -> None:
    world.tried = (0, kernel(**{"iptables-statistic": "no"}))
    membership = world.membership("k1")
    with pytest.raises(RequirementMissing, match="xt_statistic"):
        membership.examine(Progress())
    world.tried = (0, kernel(kmsg="no", ipset="no"))
    progress = Lines()
    membership.examine(progress)
    assert "NetworkPolicies" in progress.said[0]
    assert membership.config.membership["Adjustments"]["disable-network-policy"] is True
    assert "disable-network-policy" in str(membership.files()[0].content)


def test_a_trial_that_ends_early_or_cannot_be_made(world: World) -> None:
    world.tried = (127, b"sh: 3: awk: not found\n")
    with pytest.raises(ClusterError, match="status 127, and said last: sh: 3: awk: not found"):
        world.membership("k1").examine(Progress())
    world.tried = None
    progress = Lines()
    world.membership("k1").examine(progress)
    assert "cannot be tried" in progress.said[0]


# Resting and working


def test_a_node_hands_its_pods_over_and_takes_part_again(world: World) -> None:
    world.made("k1")
    agent = world.made("k2", join="k1")
    world.cluster.pods = [pod("web", "k2")]
    agent.rest(Lines())
    assert world.cluster.nodes["k2"]["spec"] == {"unschedulable": True}
    assert world.cluster.pods == []
    world.membership("k2", join="k1").resume(Lines(), timeout=60)
    assert world.cluster.nodes["k2"]["spec"] == {}


def test_a_cordon_of_somebody_elses_stays(world: World) -> None:
    world.made("k1")
    agent = world.made("k2", join="k1")
    world.cluster.nodes["k2"] = node("k2", cordoned=True)
    agent.rest(Lines())
    agent.resume(Lines(), timeout=60)
    assert world.cluster.nodes["k2"]["spec"] == {"unschedulable": True}


def test_nobody_would_take_the_pods_of_the_only_node(world: World) -> None:
    membership = world.made("k1")
    world.cluster.pods = [pod("web", "k1")]
    membership.rest(Lines())
    assert len(world.cluster.pods) == 1
    assert world.cluster.nodes["k1"]["spec"] == {}


def test_pods_that_may_not_go_are_not_waited_for_forever(world: World) -> None:
    world.made("k1")
    agent, progress = world.made("k2", join="k1"), Lines()
    world.cluster.pods = [pod("db", "k2")]
    world.cluster.held = {"db"}
    agent.rest(progress)
    assert progress.said == ["1 pods of k2 could not be moved in 0.2 s: they end with it"]


def test_a_server_that_left_is_not_the_one_to_reach_any_more(world: World) -> None:
    world.made("k1")
    world.made("srv", join="k1", role="server")
    agent = world.made("agent2", join="k1")
    assert b"https://10.0.0.2:6443" in world.machines["agent2"].files[CONFIG]
    world.store.remove("k1")
    agent.resume(Lines(), timeout=60)
    assert b"https://10.0.0.3:6443" in world.machines["agent2"].files[CONFIG]


# Leaving


def test_leaving_takes_the_node_out(world: World) -> None:
    world.made("k1")
    agent = world.made("k2", join="k1")
    world.cluster.pods = [pod("web", "k2")]
    world.machines["k2"].state = STOPPED
    assert agent.leave(Lines(), force=False) == []
    assert list(world.cluster.nodes) == ["k1"]
    assert world.cluster.pods == []
    assert agent.leave(Lines(), force=False) == []  # again


def test_a_node_that_is_just_starting_does_not_come_back_after_it_was_deleted(world: World) -> None:
    world.made("k1")
    agent = world.membership("k2", join="k1")
    agent.check(Progress())
    agent.record(Node="k2")
    agent.put_files()
    inside = world.machines["k2"]
    assert agent.leave(Lines(), force=False) == []
    words = [" ".join(argv) for argv in inside.ran]
    assert words[-2:] == ["rm -f /etc/dinv/services/k3s", "/usr/local/lib/dinv/services reload"]
    assert world.cluster.calls[-1] == "DELETE /api/v1/nodes/k2"


def test_the_last_one_takes_the_cluster_with_it(world: World) -> None:
    membership = world.made("k1")
    membership.check_leave()
    assert membership.leave(Lines(), force=False) == []
    assert not [call for call in world.cluster.calls if call.startswith("DELETE")]
    membership.forget()
    assert not os.path.exists(os.path.join(membership.config.directory, "kubeconfig"))


def test_one_that_no_server_has_heard_of_leaves_nothing(world: World) -> None:
    world.made("k1")
    membership = world.membership("k2", join="k1")
    membership.check(Progress())
    calls = len(world.cluster.calls)
    assert membership.leave(Lines(), force=False) == []
    assert len(world.cluster.calls) == calls


def test_the_only_server_does_not_leave_its_agents(world: World) -> None:
    membership = world.made("k1")
    world.made("k2", join="k1")
    with pytest.raises(QuorumAtRisk, match="k2 would be without a server"):
        membership.check_leave()


def test_a_majority_of_the_servers_that_stay_has_to_be_ready(world: World) -> None:
    membership = world.made("k1")
    world.made("srv", join="k1", role="server")
    membership.check_leave()
    world.cluster.nodes["srv"] = node("srv", server=True, ready=False)
    with pytest.raises(QuorumAtRisk, match="of the 1 servers that would stay 0 are ready, and 1 have to be"):
        membership.check_leave()


def test_a_cluster_that_does_not_answer_is_left_by_force_only(world: World) -> None:
    world.made("k1")
    agent = world.made("k2", join="k1")
    world.cluster.ready = "[-]etcd"
    with pytest.raises(CannotLeave, match=r"k1: .*dinv rm -f k2") as caught:
        agent.leave(Lines(), force=False)
    assert "dinv provision --force-new-cluster k1" in caught.value.text
    [left] = agent.leave(Lines(), force=True)
    assert "kubectl --context k1 delete node k2" in left


def test_a_server_is_out_of_the_database_before_its_services_end(world: World) -> None:
    world.made("k1")
    server = world.made("srv", join="k1", role="server")
    assert server.leave(Lines(), force=False) == []
    assert list(world.cluster.nodes) == ["k1"]
    assert server.leave(Lines(), force=False) == []  # again


def test_a_server_that_has_ended_without_a_majority_is_removed_by_force_only(world: World) -> None:
    world.made("k1")
    server = world.made("srv", join="k1", role="server")
    world.machines["srv"].state = STOPPED
    world.cluster.stuck = "etcdserver: request timed out"
    with pytest.raises(CannotLeave, match=r"request timed out.*start it: dinv start srv"):
        server.leave(Lines(), force=False)
    world.cluster.ready = "[-]etcd"
    with pytest.raises(CannotLeave, match=r"k1: \[-\]etcd.*start it: dinv start srv"):
        server.check_leave()
    world.machines["srv"].state = RUNNING
    with pytest.raises(CannotLeave, match="start it: dinv start k1"):
        server.check_leave()
    world.machines["srv"].state = STOPPED
    [left] = server.leave(Lines(), force=True)
    assert "make a cluster of it alone before: dinv provision --force-new-cluster k1" in left


def test_a_server_that_is_no_voting_member_yet_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k3s, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(leaving, "LEAVE_SECONDS", 0.1)
    world.made("k1")
    server = world.made("srv", join="k1", role="server")
    learner = world.cluster.nodes.pop("srv")
    server.record(Joined=None)
    with pytest.raises(CannotLeave, match="not become a voting member of etcd yet"):
        server.leave(Lines(), force=False)
    assert "/etc/dinv/services/k3s" in world.machines["srv"].files  # it runs on
    monkeypatch.setattr(leaving, "LEAVE_SECONDS", 60.0)
    promoting = threading.Timer(0.2, lambda: world.cluster.nodes.update(srv=learner))
    promoting.start()
    assert server.leave(Lines(), force=False) == []
    promoting.join()
    assert list(world.cluster.nodes) == ["k1"]


def test_a_server_with_sqlite_has_no_member_to_take_out(world: World) -> None:
    world.made("k1")
    server = world.made("srv", join="k1", role="server")
    files = world.machines["srv"].files
    world.machines["srv"].files = {path: files[path] for path in files if "/wal/" not in path}
    world.cluster.nodes["srv"]["metadata"]["annotations"] = {}
    assert server.leave(Lines(), force=False) == []
    assert not any("remove" in str(each) for each in world.cluster.calls)


def test_a_server_that_has_not_joined_yet_does_not_stay_as_one(world: World) -> None:
    membership = world.made("k1")
    joining_one = world.membership("srv", join="k1", role="server")
    joining_one.check(Progress())
    world.store.save(joining_one.config)
    with pytest.raises(QuorumAtRisk, match=r"srv would be without a server\. Remove what is joining it"):
        membership.check_leave()


# What lists show, and a new cluster


def test_what_lists_show(world: World) -> None:
    world.made("k1")
    world.made("k2", join="k1")
    world.cluster.nodes["k2"] = node("k2", ready=False)
    configs = [world.store.load("k1"), world.store.load("k2")]
    found = KubernetesProvisioner.standings(configs, world.store, timeout=60)
    assert {name: str(each) for name, each in found.items()} == {
        "k1": "k1 (server, ready)",
        "k2": "k1 (agent, not ready)",
    }
    del world.cluster.nodes["k2"]
    found = KubernetesProvisioner.standings(configs, world.store, timeout=60)
    assert str(found["k2"]) == str(Standing("k1", "agent", "unknown"))
    world.cluster.ready = "no"
    said: list[str] = []
    assert KubernetesProvisioner.standings(configs, world.store, timeout=60, trace=said.append) == {}
    assert "k1" in said[0]


def test_a_new_cluster_of_one_server(world: World) -> None:
    world.made("k1")
    other = world.made("srv", join="k1", role="server")
    progress = Lines()
    other.recover(progress, timeout=60)
    ran = [" ".join(argv) for argv in world.machines["srv"].ran]
    assert any("k3s server --cluster-reset" in each for each in ran)
    assert b"server:" not in world.machines["srv"].files[CONFIG]
    assert "k1 is no server of it any more" in progress.said[0]
    agent = world.made("k2", join="k1")
    with pytest.raises(NotSupported, match="an agent"):
        agent.recover(progress, timeout=60)
    world.machines["srv"].failing = "cluster-reset"
    with pytest.raises(ClusterError, match="no luck"):
        other.recover(progress, timeout=60)


# The user's kubeconfig


def test_a_kubeconfig_that_cannot_be_used_is_said_before_anything_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_config: object) -> None:
        raise KubeconfigError("/home/me/.kube/config", "line 3 is odd")

    monkeypatch.setattr(kubeconfigs, "check", broken)
    with pytest.raises(KubeconfigError, match="line 3"):
        world.membership("k1", kubeconfig=True).check(Progress())
    world.membership("k1", kubeconfig=False).check(Progress())


def test_an_entry_is_made_recorded_and_taken_out_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kube" / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    membership = world.made("k1", kubeconfig=True)
    assert membership.config.membership["Kubeconfig"] == str(path)
    text = path.read_text()
    assert "current-context: k1" in text
    assert "id-k1" in text
    membership.forget()
    assert "id-k1" not in path.read_text()


def test_an_api_that_is_gone_has_no_client(world: World) -> None:
    membership = world.made("k1")
    os.unlink(os.path.join(membership.config.directory, "kubeconfig"))
    with pytest.raises(KubernetesError, match="No such file"):
        servers.client(membership.config)
