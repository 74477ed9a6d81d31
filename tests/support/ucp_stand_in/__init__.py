"""A stand-in for Docker Datacenter: the images of UCP and DTR, as far as dinv can tell.

Their images are licensed and cannot be had by tests. What stands for them has the command line of the real
ones (docker/docs: reference/ucp/3.2/cli, reference/dtr/2.7/cli), refuses what these refuse (docker/orca:
bootstrap/client), prints as they print (Mirantis/launchpad: pkg/util/cmdbuffer), and serves the paths that
launchpad asks (pkg/mke/mke.go). Where it differs it is stricter: it does not make a swarm, and too little
memory is an error.

The programs here run in the images, with no more than Python, `cryptography` and a Docker socket; `image.py`
makes the images, from the Python that runs the tests.

    flags.py       command lines
    log.py         lines of logrus
    docker_api.py  the daemon's API, by its socket
    keys.py        keys, certificates, client bundles
    ucp.py         mirantis/ucp: install, uninstall-ucp, upgrade, id, dump-certs
    agent.py       mirantis/ucp-agent: what runs on each node
    controller.py  mirantis/ucp-controller: the API
    dtr.py         mirantis/dtr: install, join, remove, destroy; mirantis/dtr-nginx
    main.py        which of them an image is
"""
