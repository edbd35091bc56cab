// Fetches blocks of small pictures and decodes them, away from the thread that scrolls.
const running = new Map();

onmessage = async ({ data }) => {
  if (data.abort) return running.get(data.abort)?.abort();
  const controller = new AbortController(), number = data.fetch;
  running.set(number, controller);
  try {
    const answer = await fetch(data.address, { signal: controller.signal });
    if (!answer.ok) throw new Error(String(answer.status));
    const body = await answer.arrayBuffer(), sizes = new DataView(body), decoding = [];
    for (let at = 0; at < body.byteLength; ) {
      const size = sizes.getUint32(at, true);
      decoding.push(createImageBitmap(new Blob([new Uint8Array(body, at + 4, size)], { type: "image/jpeg" })));
      at += 4 + size;
    }
    const bitmaps = await Promise.all(decoding);
    postMessage({ number, bitmaps }, bitmaps);
  } catch (error) {
    postMessage({ number, aborted: error.name === "AbortError" });
  } finally {
    running.delete(number);
  }
};
