// SPDX-License-Identifier: Apache-2.0
// Calls a server with keepalive: node keepalive_session.mjs PORT COUNT.
import net from "node:net";
import readline from "node:readline";

const [port, count] = process.argv.slice(2).map(Number);
const kept = [];

// The mistake: with allowHalfOpen the end of the answer is the program's to answer, and it does not. It looks no more
// either, so nothing tells it of the reset.
function call() {
  return new Promise((done) => {
    const socket = net.connect({host: "127.0.0.1", port, allowHalfOpen: true}, () => {
      socket.setKeepAlive(true);
      socket.write("GET /unavailable HTTP/1.0\r\n\r\n");
    });
    socket.on("end", () => done(socket));
    socket.on("error", () => {});
    socket.resume();
    kept.push(socket);
  });
}

for (let i = 0; i < count; i++) await call();
console.log("ready");
readline.createInterface({input: process.stdin}).on("line", () => {
  for (const socket of kept.splice(0)) socket.destroy();
  console.log("closed");
}).on("close", () => process.exit());
