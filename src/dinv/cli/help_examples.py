"""The examples at the end of each verb's help: complete command lines, and what they do.

The tests parse each of them with its verb's parser.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "access": (
        ("dinv access ls dev", "who has access, until when, by whom"),
        ("dinv access revoke dev alice", "refuse alice, and cut her connections"),
        ("dinv access log dev", "what was issued and revoked, by whom"),
    ),
    "active": (("dinv active", "the machine that docker uses here"),),
    "adopt": (
        ("dinv adopt photon", "the container, as a machine"),
        ("dinv adopt --endpoint ./vch1 photon dev", "one of a VCH, as dev"),
    ),
    "apply": (
        ("dinv apply", "what dinv.yaml says"),
        ("dinv apply -f team.yaml --prune", "and no more than that"),
        ("dinv apply --dry-run", "only say what would be done"),
        ("dinv apply --schema > dinv.schema.json", "for an editor"),
    ),
    "audit": (
        ("dinv audit verify", "whether nothing was changed or removed"),
        ("dinv audit head", "to note elsewhere, for --known"),
        ("dinv audit csv > audit.csv", "all of it, for a spreadsheet"),
    ),
    "cache": (
        ("dinv cache create hub", "of Docker Hub"),
        ("dinv create --registry-cache hub dev", "a machine that uses it"),
        ("dinv cache create all --upstream ghcr.io --push", "and one to push to"),
        ("dinv cache rm --keep-data hub", "its images stay for the next"),
    ),
    "completion": (
        ('eval "$(dinv completion bash)"', "in this shell; in ~/.bashrc, in all"),
        ("dinv completion fish | source", "in fish"),
    ),
    "config": (
        ("docker $(dinv config dev) ps", "one docker command on dev"),
        ("dinv config -f dinv.yaml", "what a file of machines says"),
    ),
    "create": (
        ("dinv create dev", "a machine called dev"),
        ("dinv create --cpus 2 --memory 4g dev", "with limits"),
        ("dinv create --endpoint ssh://me@server dev", "on another computer"),
        ("dinv create --provisioner kubernetes k1", "a node of Kubernetes"),
    ),
    "delete": (("dinv delete -f team.yaml", "all that team.yaml has made"),),
    "df": (
        ("dinv df dev", "how full dev's image cache is"),
        ("dinv df --format json dev", "in bytes, for a script"),
    ),
    "diff": (
        ("dinv diff", "what apply would do; 1 if it is anything"),
        ("dinv diff -f team.yaml --prune", "and what it would remove"),
    ),
    "engine": (
        ("sudo dinv engine start", "start it; create finds it by itself"),
        ("sudo dinv engine enable", "start it at each boot, by systemd"),
        ("dinv engine status", "whether it runs, and where"),
    ),
    "env": (
        ("eval $(dinv env dev)", "from here on, docker means dev"),
        ("eval $(dinv env -u)", "and no more"),
        ("dinv env --shell fish dev | source", "in fish"),
    ),
    "export": (
        ("dinv export dev > dev.tar", "with its keys: keep it safe"),
        ("dinv export dev | ssh me@server dinv import -", "to another computer"),
    ),
    "extend": (
        ("dinv extend dev 4h", "4 hours from now, or more if it has"),
        ("dinv extend --give dev 8h", "one that has no lease gets one"),
    ),
    "help": (
        ("dinv help create", "the same as dinv create --help"),
        ("dinv create --help-all", "the rare options too"),
    ),
    "image": (
        ("dinv image build", "make it, once for each endpoint"),
        ("dinv image init mine --with sshd", "the source of one of your own"),
        ("dinv image build mine", "that one, as dinv-mine"),
        ("dinv image build --with k3s=./k3s", "one for Kubernetes, as dinv-k3s"),
        ("dinv image check dinv-mine", "try whether it keeps the contract"),
        ("dinv image push reg.test/dinv:1", "for a VCH to pull"),
        ("dinv image export dinv", "a virtual machine's disk"),
        ("dinv image ls", "the machine images it has"),
    ),
    "forward": (
        ("dinv forward dev 8080:80", "its port 80 at 127.0.0.1:8080"),
        ("dinv forward -d dev 5432", "in the background"),
        ("dinv forward --stop dev", "and no more"),
    ),
    "import": (
        ("dinv import dev.tar", "what dinv export has written"),
        ("dinv import alice.dinv", "what somebody has shared with you"),
        ("dinv import ~/.docker/machine/machines/old", "a machine of docker-machine's"),
    ),
    "inspect": (
        ("dinv inspect dev", "everything, as JSON"),
        ("dinv inspect -f '{{.Driver.IPAddress}}' dev", "one value of it"),
    ),
    "ip": (("dinv ip dev", "its address"),),
    "kill": (("dinv kill dev", "as docker kill does"),),
    "kubeconfig": (
        ("dinv kubeconfig k1 > k1.yaml", "with an administrator's key"),
        ("dinv kubeconfig --path k1", "where it is, for KUBECONFIG"),
        ("dinv kubeconfig --merge --use k1", "into yours, as current context"),
    ),
    "link": (("dinv link docker-machine", "scripts for docker-machine then use dinv"),),
    "load": (
        ("dinv load dev app:1.2 db:7", "images from this computer's engine into dev"),
        ("dinv load dev --input app.tar", "what docker save wrote"),
    ),
    "login": (
        ("dinv login https://dinv.example.com", "allow it in a browser, anywhere"),
        ("dinv login --token-file ci.token URL", "with a token, as in CI"),
    ),
    "logout": (("dinv logout", "forget it, and revoke the token"),),
    "logs": (
        ("dinv logs -n 20 dev", "the last 20 lines"),
        ("dinv logs -f dev", "and what follows, until Ctrl-C"),
    ),
    "ls": (
        ("dinv ls", "all machines"),
        ("dinv ls --filter state=Running -q", "the names of those that run"),
        ("dinv ls --format '{{.Name}} {{.URL}}'", "just what a script needs"),
    ),
    "mount": (
        ("dinv mount dev:/root/src ~/src", "mount it here, by sshfs"),
        ("dinv mount -u dev:/root/src ~/src", "unmount it"),
    ),
    "plugins": (
        ("dinv plugins", "what is built in, and what packages add"),
        ("dinv plugins --check", "fail if one of them cannot be used"),
        ("dinv plugins --format json", "for a script"),
    ),
    "pool": (
        ("dinv pool create ci --size 3", "three are to be ready"),
        ("dinv pool reconcile", "make them; from cron, or with --watch"),
        ("dinv create --pool ci dev", "one of them is dev from here on"),
        ("dinv pool set ci --memory 8g", "the unclaimed ones are replaced"),
    ),
    "provision": (("dinv provision dev", "finish what was interrupted, or repair it"),),
    "regenerate-certs": (
        ("dinv regenerate-certs dev", "a new certificate for its daemon"),
        ("dinv regenerate-certs --client-certs dev", "and lock out earlier clients"),
    ),
    "renew": (
        ("dinv renew --all", "what has a third of its life left"),
        ("dinv renew --all --before 30d --dry-run", "what would be renewed"),
        ("dinv renew dev prod", "of these two"),
    ),
    "restart": (("dinv restart dev", "stop it and start it"),),
    "rm": (
        ("dinv rm dev", "the machine with its images; asks first"),
        ("dinv rm -y --keep-cache dev", "without asking; its images stay"),
    ),
    "reap": (
        ("dinv reap", "this store's machines, as from cron"),
        ("dinv reap --dry-run", "only say what would be done"),
        ("dinv reap --endpoint ssh://me@server", "other stores' machines there, too"),
    ),
    "run": (
        ("dinv run -- docker run --rm hello-world", "with a Docker host of its own"),
        ("dinv run --keep-cache ci -- make test", "the next has its images"),
        ("dinv run --memory 4g --ttl 30m -- ./e2e", "with options of create"),
    ),
    "scp": (
        ("dinv scp app.conf dev:/etc/", "a file to dev"),
        ("dinv scp -r dev:/var/log logs", "a directory from there"),
    ),
    "serve": (
        ("dinv serve", "on this computer, for a try"),
        ("dinv serve --config /etc/dinv/server.toml", "as a service"),
        ("dinv serve --check", "what is wrong with it"),
        ("dinv serve --backup dinv.tar", "saved, while it runs"),
    ),
    "set": (
        ("dinv set --memory 8g dev", "more memory, while it runs"),
        ("dinv set --engine-label team=red dev", "a label of its engine; nothing is cut"),
        ("dinv set --dry-run -p 8080:80 dev", "what a published port would take"),
    ),
    "share": (
        ("dinv share dev --for alice > a.dinv", "dinv and docker import it"),
        ("dinv share dev --for alice --ttl 8h -o a.dinv", "for eight hours"),
        ("dinv share dev --for alice --csr a.csr > a.dinv", "with no key in it"),
    ),
    "ssh": (
        ("dinv ssh dev", "a shell in dev"),
        ("dinv ssh dev docker ps", "a command there"),
        ("dinv ssh dev tar -C /etc -c . > etc.tar", "what it prints, in a file here"),
    ),
    "ssh-config": (
        ("dinv ssh-config", "of all that have an SSH server"),
        ("dinv ssh-config dev >> ~/.ssh/config", "from then on: ssh dev"),
    ),
    "start": (
        ("dinv start dev", "start it, and wait until it answers"),
        ("dinv start dev test", "several at once"),
    ),
    "status": (("dinv status dev", "Running, Stopped, Error, ..."),),
    "stop": (("dinv stop dev", "stop it; the URL stays the same"),),
    "swarm": (
        ("dinv swarm unlock-key m1", "of a swarm that was begun with --autolock"),
        ("dinv swarm unlock-key --rotate m1", "a new one"),
        ("dinv swarm unlock m2", "a manager whose daemon came back by itself"),
    ),
    "upgrade": (
        ("dinv upgrade dev", "to a newer version of the image it has"),
        ("dinv upgrade --image mine:2 dev", "to another image"),
    ),
    "url": (("docker -H $(dinv url dev) version", "for programs that take a URL"),),
    "use": (
        ("dinv use dev", "docker means dev, in every shell"),
        ("dinv use --unset", "and no more"),
    ),
    "version": (
        ("dinv version", "of dinv"),
        ("dinv version dev", "of dev's Docker daemon"),
    ),
    "volume": (
        ("dinv volume ls", "whose, how large, how old"),
        ("dinv volume prune", "those that removed machines have left"),
        ("dinv volume clone --stop dev again", "for create --cache-volume again"),
    ),
}
"""By verb: pairs of a command line and what it does."""

_INDENT = 2
_GAP = 3


def shown(verb: str, program: str) -> str:
    """Return the examples of a verb as lines, for a program of this name; "" if there are none."""
    pairs = [(_called(line, program), text) for line, text in EXAMPLES.get(verb, ())]
    width = max((len(line) for line, _ in pairs), default=0)
    return "".join(f"{'':{_INDENT}}{line:<{width + _GAP}}{text}\n" for line, text in pairs)


def _called(line: str, program: str) -> str:
    return line if program == "dinv" else line.replace("dinv ", f"{program} ")
