// Publish a play from JavaScript: npm install redis, then node publish.js
const { randomUUID } = require("node:crypto");
const { createClient } = require("redis");

// RFC 3339 with the listener's offset, which toISOString() would lose.
function localTime(date) {
  const minutes = -date.getTimezoneOffset();
  const offset = new Date(Math.abs(minutes) * 60_000).toISOString().slice(11, 16);
  const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
  return local + (minutes < 0 ? "-" : "+") + offset;
}

// Every try sends the same id, so that a lost reply does not create a second play. Only sent_at is new on each try:
// zik uses it to correct the times of a device with a wrong clock.
async function publish(client, event, tries = 5) {
  const identified = { id: randomUUID(), ...event };
  for (let attempt = 1; ; attempt++) {
    try {
      const payload = JSON.stringify({ ...identified, sent_at: new Date().toISOString() });
      return await client.xAdd("zik:{events}", "*", { event: payload });
    } catch (error) {
      if (attempt === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
    }
  }
}

async function main() {
  const client = createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0" });
  client.on("error", (error) => console.error(error.message));
  await client.connect();
  const msPlayed = 181200;
  await publish(client, {
    v: 1,
    type: "play",
    // The song has just ended, and time is when it began.
    time: localTime(new Date(Date.now() - msPlayed)),
    user: "ada",
    source: "sample.js/1.0",
    song: { title: "Parabola", artist: "Tool", album: "Lateralus", duration_ms: 183000 },
    ms_played: msPlayed,
  });
  await client.close();
}

main();
