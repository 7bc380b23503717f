// Put the live part of a page in place anew whenever the server says that something has changed.
const place = document.getElementById("live");
const POLL_MS = 30000;
let tag = "";
let isFetching = false;
let isBehind = false;
let isOver = false;
let source = null;
let timer = 0;

async function refresh() {
  isBehind = true;
  // One request at a time: a server that is busy is asked less often.
  while (isBehind && !isFetching && !isOver) {
    isBehind = false;
    isFetching = true;
    try {
      const answer = await fetch("live", { headers: tag ? { "if-none-match": tag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        tag = answer.headers.get("etag");
        put(await answer.text());
      }
      // Signed out, or closed.
      isOver = answer.status === 404;
    } catch {
      // Out of reach: the next message or poll tries again.
    }
    isFetching = false;
  }
}

function put(html) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const wasOpen = place.querySelector("details")?.open;
  place.innerHTML = html;
  if (wasOpen) place.querySelector("details")?.setAttribute("open", "");
  const like = focused ? [...place.querySelectorAll(focused.localName)] : [];
  (like.find((each) => each.outerHTML === focused.outerHTML) ?? like[0])?.focus({ preventScroll: true });
}

function listen() {
  source = new EventSource("events");
  source.onmessage = refresh;
  source.onerror = () => {
    // It was refused: poll, and try again. A lost connection the browser opens again by itself.
    if (source.readyState === EventSource.CLOSED) timer = setTimeout(() => refresh().then(follow), POLL_MS);
  };
}

function follow() {
  source?.close();
  clearTimeout(timer);
  // A page that nobody looks at takes no connection.
  if (!document.hidden && !isOver) listen();
}

document.addEventListener("visibilitychange", follow);
follow();
