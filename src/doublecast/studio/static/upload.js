// Files on their way to the studio: with progress, and an end when the user wants it.

// Sends one file. told(share) hears of progress from 0 to 1. Answers { done: Promise of the upload, cancel }.
export function send(file, { purpose, group = "", name = file.name, told = () => {} }) {
  const request = new XMLHttpRequest();
  const query = new URLSearchParams({ name, purpose, group });
  const done = new Promise((resolve, reject) => {
    request.open("POST", `/api/uploads?${query}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => told(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* no JSON: told below */ }
      if (request.status === 200) resolve(answer);
      else reject(new Error(answer.error || `The studio answered ${request.status} ${request.statusText}`));
    };
    request.onerror = () => reject(new Error("The connection broke off, or the studio refused the file. Send it again."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

// The files of a drop, those of dropped folders with the folder's name: [{ file, folder }].
export async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  if (!entries.length || entries.some((entry) => !entry)) return [...transfer.files].map((file) => ({ file, folder: "" }));
  const found = [];
  for (const entry of entries) {
    if (entry.isFile) found.push({ file: await fileOf(entry), folder: "" });
    else for (const inner of await inside(entry)) if (inner.isFile) found.push({ file: await fileOf(inner), folder: entry.name });
  }
  return found.filter(({ file, folder }) => !folder || !file.name.startsWith("."));
}

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function inside(folder) {
  const reader = folder.createReader(), all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

// 1234567 -> "1.2 MB"
export function bytes(size) {
  for (const unit of ["bytes", "kB", "MB"]) {
    if (size < 1000) return unit === "bytes" ? `${size} bytes` : `${size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} GB`;
}
