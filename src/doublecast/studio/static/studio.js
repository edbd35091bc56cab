// Keys and theme that work on every page. Pages' own components listen to their own keys.
(() => {
  const typing = (e) => e.target.closest && e.target.closest("input, textarea, select, [contenteditable=true]");
  const dark = () => document.body.classList.contains("body--dark");
  const theme = () => {
    const next = !dark();
    document.cookie = `doublecast_theme=${next ? "dark" : "light"}; path=/; max-age=31536000; samesite=strict`;
    if (window.Quasar) Quasar.Dark.set(next);
    document.body.classList.toggle("body--dark", next);
    document.body.classList.toggle("body--light", !next);
  };
  const keys = () => {
    const dialog = document.getElementById("dc-keys");
    if (dialog) dialog.open ? dialog.close() : dialog.showModal();
  };
  document.addEventListener("click", (e) => {
    const button = e.target.closest && e.target.closest("[data-dc]");
    if (button) ({ theme, keys })[button.dataset.dc]?.();
  });
  let g = 0;
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e)) return;
    if (g && Date.now() - g < 1500) {
      g = 0;
      const parts = location.pathname.match(/^\/p\/[^/]+/);
      const where = { p: "/", v: "/verify", ...(parts && { f: `${parts[0]}/faces`, t: `${parts[0]}/train`, m: `${parts[0]}/film` }) }[e.key];
      if (where) { e.preventDefault(); location.assign(where); }
    } else if (e.key === "g") g = Date.now();
    else if (e.key === "?") { e.preventDefault(); keys(); }
    else if (e.key === "t" && !document.querySelector("[data-own-t]")) theme();
  });
})();
