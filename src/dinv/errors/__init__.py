"""Every error dinv raises on purpose.

    DinvError
    ├── InputError                 a flag, a name or a variable has a value that cannot be used
    │   ├── UsageError             ... the command line does not fit its verb
    │   ├── InvalidName            ... not a valid machine name
    │   ├── NobodyToAsk            ... a question needs an answer, but there is nobody to give it
    │   ├── PluginNotFound         ... no driver, provisioner, ... of this name
    │   ├── OptionError            ... an option has a value that cannot be used
    │   │   └── DriverRefused      ... found by a driver
    │   ├── DeclarationError       ... a file of machines, with all that is wrong in it
    │   ├── PoolsMachine           ... an option that comes too late for a machine of a pool
    │   ├── NoServer               ... what is asked for needs a dinv server, and there is none
    │   ├── InvalidHolder          ... cannot be the name of somebody who is given access
    │   ├── ShareExpired           ... a share to import has expired
    │   ├── ArchiveError           ... an archive to import is damaged, or is not a machine's
    │   └── TemplateError          ... a template of --format
    ├── StoreError                 the store on the user's side
    │   ├── MachineNotFound
    │   ├── MachineExists
    │   ├── AlreadyInStore         the machine to import is already here, under some name
    │   ├── MachineBusy            another process is changing it
    │   ├── ConfigError            its config.json cannot be read
    │   │   └── ConfigTooNew       ... was written by a newer version
    │   ├── CertificatesTorn       a renewal was killed between a certificate and its key
    │   ├── StoreNotWritable
    │   └── LocksNotKept           its file system has no locks
    ├── EndpointError              the Docker API on which machines are created
    │   ├── NoEndpoint             none was named and none was found
    │   ├── EndpointUnreachable
    │   ├── EndpointTLSError
    │   ├── EndpointTooOld
    │   ├── NotDone                it reported something as done that was not
    │   └── LocalEngineError       dinv's own engine on this computer cannot be started or stopped
    ├── EngineError                the API answered a call with an error
    │   ├── BadRequest             400
    │   ├── Unauthorized           401, 403
    │   ├── NotFound               404
    │   ├── Conflict               409
    │   ├── ServerError            500 and above
    │   └── ProtocolError          the answer is not what the API promises
    ├── DeadlineExceeded           a call or a wait took too long
    ├── PreCreateCheckFailed       a machine cannot be created; nothing was
    ├── ImageError
    │   ├── ImageMissing           not on the endpoint and not available from a registry
    │   ├── ImageBuildError
    │   ├── ImageCheckBusy         another check of an image is running in this store
    │   └── ImageExportError       it cannot be made a virtual machine
    ├── CannotAdopt                a container cannot become a machine; nothing was changed
    ├── MachineError               an existing machine
    │   ├── MachineNotRunning
    │   ├── AlreadyRunning         start: it is running
    │   ├── AlreadyStopped         stop, kill: it is stopped
    │   ├── MachineUnfinished      its create, adoption or upgrade did not finish
    │   ├── ContainersWouldStop    a change of its settings would stop containers in it
    │   ├── NotSupported           its driver, or the way it was made, does not allow it
    │   │   ├── WithoutDriver      ... it is only known by its URL
    │   │   └── CannotRevoke       ... its image cannot refuse single certificates
    │   ├── NoLease                it has no lease to extend
    │   ├── RunLeft                it was made for a command, and could not be removed after it
    │   ├── NobodyOfThatName       nobody of this name has access to it
    │   ├── AccessOver             access to revoke is over already
    │   ├── RevocationsLost        its image would let in again what was revoked
    │   ├── OwnAccess              the certificate to revoke is dinv's own, or the machine's
    │   ├── RecordCopied           its record is a copy of another machine's
    │   ├── CommandFailed          a command in it ended with an exit status other than 0
    │   ├── NoKubeconfig           it is not a Kubernetes cluster's
    │   ├── NoSwarm                it is not the master of a classic swarm
    │   ├── MachineGone            its container is no longer on the endpoint
    │   ├── MachineDied            its daemon ended; carries the last log lines
    │   ├── MachineNotReady        its daemon did not answer in time
    │   ├── MachineUnreached       its daemon listens, but cannot be reached from here
    │   ├── MachineUnusable        clients cannot use its daemon
    │   ├── CertificatesNotTaken   it cannot use new certificates, and has the former ones
    │   ├── AcceptsAnyone          it accepts clients without a certificate
    │   ├── ContainersCannotRun    its daemon answers, but cannot run containers
    │   └── ClusterError           its part in a cluster of machines
    │       ├── DatacenterError    ... Docker Datacenter on it
    │       │   ├── InstallerFailed     an installer says that it has failed
    │       │   ├── InstallerHangs      an installer did not end in its time
    │       │   ├── DatacenterUnreached UCP or DTR does not serve
    │       │   ├── LoginRefused        UCP does not let the administrator in
    │       │   └── BundleUnusable      its client bundle cannot be used
    │       ├── RequirementMissing ... its endpoint or its image lacks what members need; nothing was made
    │       ├── ClusterExists      ... another cluster has its name
    │       ├── CannotJoin         ... by reason of the machine that it is to join
    │       ├── ClusterUnreachable ... no machine of it decides
    │       ├── SwarmLocked        ... nothing here unlocks it
    │       ├── QuorumAtRisk       ... the cluster would not survive its leaving
    │       ├── CannotLeave        ... a cluster of Kubernetes does not let it go
    │       ├── NodeNotReady       ... as a node of Kubernetes it does not get Ready
    │       └── KubernetesError    ... the API of one refuses a call, or does not answer
    ├── CacheError                 a registry cache
    │   ├── CacheNotFound
    │   ├── CacheExists            ... and differs from what was asked for
    │   ├── CacheBusy              another process is changing it
    │   ├── CacheInUse             machines use it
    │   ├── CacheNotReady          it does not serve
    │   └── CacheUnreached         a machine does not reach it
    ├── PoolError                  a pool of machines
    │   ├── PoolNotFound
    │   ├── PoolExists
    │   ├── PoolBusy               another process reconciles or changes it
    │   ├── PoolFull               none of its machines is free, and it may have no more
    │   └── ReconcileFailed        machines that it lacks could not be made
    ├── DinvServerError            a server (`dinv serve`) that machines are asked from
    │   ├── ServerUnreachable      no connection, no TLS, no answer that can be used
    │   ├── ServerRefused          it says no, and why
    │   ├── NotLoggedIn            there is no token for it that is valid
    │   └── MachineGoneThere       it has no such machine any more
    ├── NoActiveMachine            the docker CLI does not use a machine here
    ├── PluginBroken               the package of a driver, provisioner, ... cannot be loaded
    │   └── PluginsClash           ... several packages have one of the same name
    ├── HookRefused                a hook has refused what was about to happen, or could not be asked
    ├── LocalError                 this computer lacks something, or does not allow it
    │   ├── ProgramMissing
    │   ├── ServerNotInstalled     what `dinv serve` needs was not installed with it
    │   ├── CannotListen           a local port to forward cannot be used
    │   ├── CommandMissing         there is no program to make a machine for
    │   ├── CommandNotExecutable   ... or it cannot be run
    │   ├── MountError             a directory cannot be mounted here, or unmounted
    │   └── LinkError              a link to dinv cannot be created
    ├── VolumeError                a volume on an endpoint cannot be removed, or copied
    │   ├── VolumeMissing          there is none of this name
    │   └── VolumeInUse            a machine, or another container, has it
    ├── CacheOfRunBusy             another run has the cache that one wants to keep
    ├── CopyError                  a file cannot be copied to, from or between machines
    ├── CertificateError           a key or a certificate cannot be created, read or used
    │   ├── ChainRefused           ... what an authority signed is not what it was asked for
    │   └── AuthorityError         ... an authority that is a server or a program did not sign
    │       ├── AuthorityUnreachable   no connection, no TLS, no answer in time
    │       └── AuthorityRefused       it answered that it does not
    ├── ContextError               docker contexts on the user's side
    │   └── ContextTaken           one of this name was not made for the machine
    ├── KubeconfigError            a kubeconfig cannot be read or changed; it was left as it was
    │   └── KubeconfigLocked       ... another program has locked it
    └── Interrupted                Ctrl-C or SIGTERM

A message says what happened, why, and what to do next. Data that a caller may want to act on is in
attributes; the commands that a message names are in `hints`. `exit_code` is the exit status of the command
line: 1, or 3 where docker-machine uses 3.

Each class is in the file of its subject, which is loaded when the class is first used; everybody imports it
from here. Modules that `url`, `ls`, `env` or `status` loads write `errors.MachineGone` where they raise it,
so that its file is loaded then. A new class gets a line in the tree, one among the imports and one in _FILES.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.errors.access import CannotListen as CannotListen
    from dinv.errors.access import CommandFailed as CommandFailed
    from dinv.errors.access import CopyError as CopyError
    from dinv.errors.access import MountError as MountError
    from dinv.errors.base import DeadlineExceeded as DeadlineExceeded
    from dinv.errors.base import DinvError as DinvError
    from dinv.errors.base import InputError as InputError
    from dinv.errors.base import Interrupted as Interrupted
    from dinv.errors.base import UsageError as UsageError
    from dinv.errors.cache import CacheBusy as CacheBusy
    from dinv.errors.cache import CacheError as CacheError
    from dinv.errors.cache import CacheExists as CacheExists
    from dinv.errors.cache import CacheInUse as CacheInUse
    from dinv.errors.cache import CacheNotFound as CacheNotFound
    from dinv.errors.cache import CacheNotReady as CacheNotReady
    from dinv.errors.cache import CacheUnreached as CacheUnreached
    from dinv.errors.cache import VolumeError as VolumeError
    from dinv.errors.cache import VolumeInUse as VolumeInUse
    from dinv.errors.cache import VolumeMissing as VolumeMissing
    from dinv.errors.certificate import AuthorityError as AuthorityError
    from dinv.errors.certificate import AuthorityRefused as AuthorityRefused
    from dinv.errors.certificate import AuthorityUnreachable as AuthorityUnreachable
    from dinv.errors.certificate import CertificateError as CertificateError
    from dinv.errors.certificate import ChainRefused as ChainRefused
    from dinv.errors.cluster import CannotJoin as CannotJoin
    from dinv.errors.cluster import ClusterError as ClusterError
    from dinv.errors.cluster import ClusterExists as ClusterExists
    from dinv.errors.cluster import ClusterUnreachable as ClusterUnreachable
    from dinv.errors.cluster import QuorumAtRisk as QuorumAtRisk
    from dinv.errors.cluster import RequirementMissing as RequirementMissing
    from dinv.errors.cluster import SwarmLocked as SwarmLocked
    from dinv.errors.daemon import AcceptsAnyone as AcceptsAnyone
    from dinv.errors.daemon import CertificatesNotTaken as CertificatesNotTaken
    from dinv.errors.daemon import ContainersCannotRun as ContainersCannotRun
    from dinv.errors.daemon import MachineDied as MachineDied
    from dinv.errors.daemon import MachineNotReady as MachineNotReady
    from dinv.errors.daemon import MachineUnreached as MachineUnreached
    from dinv.errors.daemon import MachineUnusable as MachineUnusable
    from dinv.errors.datacenter import BundleUnusable as BundleUnusable
    from dinv.errors.datacenter import DatacenterError as DatacenterError
    from dinv.errors.datacenter import DatacenterUnreached as DatacenterUnreached
    from dinv.errors.datacenter import InstallerFailed as InstallerFailed
    from dinv.errors.datacenter import InstallerHangs as InstallerHangs
    from dinv.errors.datacenter import LoginRefused as LoginRefused
    from dinv.errors.declared import DeclarationError as DeclarationError
    from dinv.errors.endpoint import EndpointError as EndpointError
    from dinv.errors.endpoint import EndpointTLSError as EndpointTLSError
    from dinv.errors.endpoint import EndpointTooOld as EndpointTooOld
    from dinv.errors.endpoint import EndpointUnreachable as EndpointUnreachable
    from dinv.errors.endpoint import LocalEngineError as LocalEngineError
    from dinv.errors.endpoint import NoEndpoint as NoEndpoint
    from dinv.errors.endpoint import NotDone as NotDone
    from dinv.errors.engine import BadRequest as BadRequest
    from dinv.errors.engine import Conflict as Conflict
    from dinv.errors.engine import EngineError as EngineError
    from dinv.errors.engine import NotFound as NotFound
    from dinv.errors.engine import ProtocolError as ProtocolError
    from dinv.errors.engine import ServerError as ServerError
    from dinv.errors.engine import Unauthorized as Unauthorized
    from dinv.errors.hooks import HookRefused as HookRefused
    from dinv.errors.image import ImageBuildError as ImageBuildError
    from dinv.errors.image import ImageCheckBusy as ImageCheckBusy
    from dinv.errors.image import ImageError as ImageError
    from dinv.errors.image import ImageExportError as ImageExportError
    from dinv.errors.image import ImageMissing as ImageMissing
    from dinv.errors.input import ArchiveError as ArchiveError
    from dinv.errors.input import DriverRefused as DriverRefused
    from dinv.errors.input import InvalidName as InvalidName
    from dinv.errors.input import NobodyToAsk as NobodyToAsk
    from dinv.errors.input import OptionError as OptionError
    from dinv.errors.input import TemplateError as TemplateError
    from dinv.errors.kubeconfig import KubeconfigError as KubeconfigError
    from dinv.errors.kubeconfig import KubeconfigLocked as KubeconfigLocked
    from dinv.errors.kubeconfig import NoKubeconfig as NoKubeconfig
    from dinv.errors.kubernetes import CannotLeave as CannotLeave
    from dinv.errors.kubernetes import KubernetesError as KubernetesError
    from dinv.errors.kubernetes import NodeNotReady as NodeNotReady
    from dinv.errors.leases import CacheOfRunBusy as CacheOfRunBusy
    from dinv.errors.leases import CommandMissing as CommandMissing
    from dinv.errors.leases import CommandNotExecutable as CommandNotExecutable
    from dinv.errors.leases import NoLease as NoLease
    from dinv.errors.leases import RunLeft as RunLeft
    from dinv.errors.local import ContextError as ContextError
    from dinv.errors.local import ContextTaken as ContextTaken
    from dinv.errors.local import LinkError as LinkError
    from dinv.errors.local import LocalError as LocalError
    from dinv.errors.local import NoActiveMachine as NoActiveMachine
    from dinv.errors.local import ProgramMissing as ProgramMissing
    from dinv.errors.machine import AlreadyRunning as AlreadyRunning
    from dinv.errors.machine import AlreadyStopped as AlreadyStopped
    from dinv.errors.machine import CannotAdopt as CannotAdopt
    from dinv.errors.machine import ContainersWouldStop as ContainersWouldStop
    from dinv.errors.machine import MachineError as MachineError
    from dinv.errors.machine import MachineGone as MachineGone
    from dinv.errors.machine import MachineNotRunning as MachineNotRunning
    from dinv.errors.machine import MachineUnfinished as MachineUnfinished
    from dinv.errors.machine import NoSwarm as NoSwarm
    from dinv.errors.machine import NotSupported as NotSupported
    from dinv.errors.machine import PreCreateCheckFailed as PreCreateCheckFailed
    from dinv.errors.machine import RecordCopied as RecordCopied
    from dinv.errors.machine import WithoutDriver as WithoutDriver
    from dinv.errors.plugin import PluginBroken as PluginBroken
    from dinv.errors.plugin import PluginNotFound as PluginNotFound
    from dinv.errors.plugin import PluginsClash as PluginsClash
    from dinv.errors.pool import PoolBusy as PoolBusy
    from dinv.errors.pool import PoolError as PoolError
    from dinv.errors.pool import PoolExists as PoolExists
    from dinv.errors.pool import PoolFull as PoolFull
    from dinv.errors.pool import PoolNotFound as PoolNotFound
    from dinv.errors.pool import PoolsMachine as PoolsMachine
    from dinv.errors.pool import ReconcileFailed as ReconcileFailed
    from dinv.errors.remote import DinvServerError as DinvServerError
    from dinv.errors.remote import MachineGoneThere as MachineGoneThere
    from dinv.errors.remote import NoServer as NoServer
    from dinv.errors.remote import NotLoggedIn as NotLoggedIn
    from dinv.errors.remote import ServerRefused as ServerRefused
    from dinv.errors.remote import ServerUnreachable as ServerUnreachable
    from dinv.errors.server import ServerNotInstalled as ServerNotInstalled
    from dinv.errors.sharing import AccessOver as AccessOver
    from dinv.errors.sharing import CannotRevoke as CannotRevoke
    from dinv.errors.sharing import InvalidHolder as InvalidHolder
    from dinv.errors.sharing import NobodyOfThatName as NobodyOfThatName
    from dinv.errors.sharing import OwnAccess as OwnAccess
    from dinv.errors.sharing import RevocationsLost as RevocationsLost
    from dinv.errors.sharing import ShareExpired as ShareExpired
    from dinv.errors.store import AlreadyInStore as AlreadyInStore
    from dinv.errors.store import CertificatesTorn as CertificatesTorn
    from dinv.errors.store import ConfigError as ConfigError
    from dinv.errors.store import ConfigTooNew as ConfigTooNew
    from dinv.errors.store import LocksNotKept as LocksNotKept
    from dinv.errors.store import MachineBusy as MachineBusy
    from dinv.errors.store import MachineExists as MachineExists
    from dinv.errors.store import MachineNotFound as MachineNotFound
    from dinv.errors.store import StoreError as StoreError
    from dinv.errors.store import StoreNotWritable as StoreNotWritable

_FILES = {
    "DinvError": "base",
    "DeadlineExceeded": "base",
    "Interrupted": "base",
    "InputError": "base",
    "UsageError": "base",
    "InvalidName": "input",
    "NobodyToAsk": "input",
    "OptionError": "input",
    "DriverRefused": "input",
    "DeclarationError": "declared",
    "ArchiveError": "input",
    "TemplateError": "input",
    "StoreError": "store",
    "MachineNotFound": "store",
    "MachineExists": "store",
    "AlreadyInStore": "store",
    "MachineBusy": "store",
    "ConfigError": "store",
    "ConfigTooNew": "store",
    "CertificatesTorn": "store",
    "StoreNotWritable": "store",
    "LocksNotKept": "store",
    "EndpointError": "endpoint",
    "NoEndpoint": "endpoint",
    "EndpointUnreachable": "endpoint",
    "EndpointTLSError": "endpoint",
    "EndpointTooOld": "endpoint",
    "NotDone": "endpoint",
    "LocalEngineError": "endpoint",
    "EngineError": "engine",
    "BadRequest": "engine",
    "Unauthorized": "engine",
    "NotFound": "engine",
    "Conflict": "engine",
    "ServerError": "engine",
    "ProtocolError": "engine",
    "PreCreateCheckFailed": "machine",
    "CannotAdopt": "machine",
    "ContainersWouldStop": "machine",
    "ImageError": "image",
    "ImageMissing": "image",
    "ImageBuildError": "image",
    "ImageCheckBusy": "image",
    "ImageExportError": "image",
    "MachineError": "machine",
    "MachineNotRunning": "machine",
    "AlreadyRunning": "machine",
    "AlreadyStopped": "machine",
    "MachineUnfinished": "machine",
    "NotSupported": "machine",
    "WithoutDriver": "machine",
    "RecordCopied": "machine",
    "NoSwarm": "machine",
    "MachineGone": "machine",
    "MachineDied": "daemon",
    "MachineNotReady": "daemon",
    "CertificatesNotTaken": "daemon",
    "MachineUnreached": "daemon",
    "MachineUnusable": "daemon",
    "AcceptsAnyone": "daemon",
    "ContainersCannotRun": "daemon",
    "PluginNotFound": "plugin",
    "PluginBroken": "plugin",
    "PluginsClash": "plugin",
    "HookRefused": "hooks",
    "LocalError": "local",
    "CacheOfRunBusy": "leases",
    "CommandMissing": "leases",
    "CommandNotExecutable": "leases",
    "NoLease": "leases",
    "RunLeft": "leases",
    "ProgramMissing": "local",
    "LinkError": "local",
    "ServerNotInstalled": "server",
    "NoActiveMachine": "local",
    "KubeconfigError": "kubeconfig",
    "KubeconfigLocked": "kubeconfig",
    "NoKubeconfig": "kubeconfig",
    "ContextError": "local",
    "ContextTaken": "local",
    "DinvServerError": "remote",
    "MachineGoneThere": "remote",
    "NoServer": "remote",
    "NotLoggedIn": "remote",
    "ServerRefused": "remote",
    "ServerUnreachable": "remote",
    "InvalidHolder": "sharing",
    "ShareExpired": "sharing",
    "NobodyOfThatName": "sharing",
    "AccessOver": "sharing",
    "OwnAccess": "sharing",
    "CannotRevoke": "sharing",
    "RevocationsLost": "sharing",
    "CommandFailed": "access",
    "CannotListen": "access",
    "MountError": "access",
    "CopyError": "access",
    "CertificateError": "certificate",
    "VolumeError": "cache",
    "VolumeMissing": "cache",
    "VolumeInUse": "cache",
    "AuthorityError": "certificate",
    "AuthorityRefused": "certificate",
    "AuthorityUnreachable": "certificate",
    "ChainRefused": "certificate",
    "PoolBusy": "pool",
    "PoolError": "pool",
    "PoolExists": "pool",
    "PoolFull": "pool",
    "PoolNotFound": "pool",
    "PoolsMachine": "pool",
    "ReconcileFailed": "pool",
    "CacheError": "cache",
    "CacheNotFound": "cache",
    "CacheExists": "cache",
    "CacheBusy": "cache",
    "CacheInUse": "cache",
    "CacheNotReady": "cache",
    "CacheUnreached": "cache",
    "ClusterError": "cluster",
    "ClusterExists": "cluster",
    "DatacenterError": "datacenter",
    "InstallerFailed": "datacenter",
    "InstallerHangs": "datacenter",
    "DatacenterUnreached": "datacenter",
    "LoginRefused": "datacenter",
    "BundleUnusable": "datacenter",
    "RequirementMissing": "cluster",
    "CannotJoin": "cluster",
    "ClusterUnreachable": "cluster",
    "SwarmLocked": "cluster",
    "QuorumAtRisk": "cluster",
    "KubernetesError": "kubernetes",
    "CannotLeave": "kubernetes",
    "NodeNotReady": "kubernetes",
}
"""In which file of this folder each class is."""

__all__ = [*_FILES]  # noqa: PLE0604  (they are strings)

if not TYPE_CHECKING:  # a type checker is to find names that do not exist

    def __getattr__(name: str) -> type:
        """Load the class from its file, when it is first asked for."""
        if name not in _FILES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = __import__(f"{__name__}.{_FILES[name]}", fromlist=[name])
        found = globals()[name] = getattr(module, name)
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
