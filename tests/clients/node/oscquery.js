// Reads an OSCQuery host with the npm package oscquery and prints its description and methods as JSON.
const { OSCQueryDiscovery } = require('oscquery');

(async () => {
  const host = await new OSCQueryDiscovery().queryNewService('127.0.0.1', Number(process.argv[2]));
  const methods = Object.fromEntries(host.flat().map((method) => [method.full_path, method]));
  process.stdout.write(JSON.stringify({ host: host.hostInfo, methods }), () => process.exit(0));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
