// A page: subscribes to channels with pusher-js, and prints what it is told, a line of JSON each. Ends with its input.
//
//   node listen.mjs '{"host", "port", "key", "auth", "token", "channels", "shows"}'
//
// For a channel that `shows` names it shows the server what it was given for the other one, as only a thief would.

import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

// Where the dependencies were installed to, not where this file is.
const Pusher = createRequire(join(process.env.TALLY_NODE_MODULES, "x.js"))("pusher-js");

const { host, port, key, auth, token, channels, shows } = JSON.parse(process.argv[2]);
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const headers = { authorization: token };
const asThief = async ({ socketId, channelName }, done) => {
  const body = new URLSearchParams({ socket_id: socketId, channel_name: shows[channelName] ?? channelName });
  const answer = await fetch(auth, { method: "POST", headers, body });
  done(null, await answer.json());
};
const customHandler = Object.keys(shows).length > 0 ? asThief : undefined;
const pusher = new Pusher(key, {
  cluster: "",
  wsHost: host,
  wsPort: port,
  forceTLS: false,
  enabledTransports: ["ws"],
  enableStats: false,
  channelAuthorization: { endpoint: auth, transport: "ajax", headers, customHandler },
});
pusher.connection.bind("error", (error) =>
  tell({ channel: "", event: "error", error: error.data ?? error.error?.data ?? String(error) }),
);
for (const name of channels) {
  const channel = pusher.subscribe(name);
  channel.bind("pusher:subscription_succeeded", (members) => {
    const there = [];
    members?.each?.((member) => there.push({ id: member.id, info: member.info }));
    tell({ channel: name, event: "subscribed", members: there });
  });
  channel.bind("pusher:subscription_error", (error) => tell({ channel: name, event: "refused", status: error.status }));
  channel.bind("pusher:member_added", (member) => tell({ channel: name, event: "came", member: member.id }));
  channel.bind("pusher:member_removed", (member) => tell({ channel: name, event: "went", member: member.id }));
  channel.bind_global((event, data) => {
    if (!event.startsWith("pusher")) {
      tell({ channel: name, event, data });
    }
  });
}
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
