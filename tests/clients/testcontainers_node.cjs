// testcontainers for Node, with its defaults.
const { GenericContainer } = require("testcontainers");

(async () => {
  const container = await new GenericContainer("hello")
    .withCommand(["sh", "-c", "echo page >/tmp/index.html && exec httpd -f -p 80 -h /tmp"])
    .withExposedPorts(80)
    .start();
  try {
    const answer = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}/`);
    process.stdout.write(await answer.text());
  } finally {
    await container.stop();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
