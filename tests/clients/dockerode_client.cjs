// dockerode: new Docker() takes the environment.
const Docker = require("dockerode");

(async () => {
  const docker = new Docker();
  const container = await docker.createContainer({
    Image: "hello",
    Cmd: ["sh", "-c", "echo page >/tmp/index.html && exec httpd -f -p 80 -h /tmp"],
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "" }] } },
  });
  try {
    await container.start();
    const state = await container.inspect();
    const port = state.NetworkSettings.Ports["80/tcp"][0].HostPort;
    const host = new URL(process.env.DOCKER_HOST).hostname;
    for (let attempt = 0; attempt < 300; attempt++) {
      try {
        process.stdout.write(await (await fetch(`http://${host}:${port}/`)).text());
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  } finally {
    await container.remove({ force: true });
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
