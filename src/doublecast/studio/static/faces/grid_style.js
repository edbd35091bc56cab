// The look of the grid. It lives in a shadow tree, because to match thousands of rules of the page's other style sheets
// against every recycled element would take longer than everything else that scrolling does (measured: 14 times).
export const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { contain: strict; }
[hidden] { display: none !important; }
h2 { font-size: 1rem; font-weight: 600; margin: 0; }
.fc-scroll { position: absolute; inset: 0; overflow-y: scroll; overflow-x: hidden; overflow-anchor: none; }
.fc-inner { position: relative; min-height: 100%; user-select: none; }
.fc-list { position: absolute; inset: 0; outline: none; }
.fc-cell { position: absolute; left: 0; top: 0; width: var(--cell); height: var(--cell); border-radius: 6px; background: var(--raised); contain: strict; box-sizing: border-box; }
canvas { width: 100%; height: 100%; display: block; border-radius: 6px; pointer-events: none; visibility: hidden; }
.there canvas { visibility: visible; }
.aside canvas { opacity: .38; filter: grayscale(1); }
.fc-why { position: absolute; left: 0; right: 0; bottom: 0; font-size: 11px; line-height: 17px; padding: 0 5px; background: var(--surface); color: var(--bad); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; display: none; border-radius: 0 0 6px 6px; }
.aside .fc-why { display: block; }
.chosen::after, .active::before { content: ""; position: absolute; inset: 0; border-radius: 6px; pointer-events: none; }
.chosen::after { border: 4px solid var(--accent); box-sizing: border-box; }
.fc-tick { display: none; position: absolute; z-index: 1; right: 5px; top: 5px; width: 20px; height: 20px; border-radius: 50%; background: var(--accent); color: var(--on-accent); font: 700 13px/20px system-ui; text-align: center; }
.fc-tick::before { content: "✓"; }
.chosen .fc-tick { display: block; }
.fc-list:focus-visible .active::before { z-index: 1; box-shadow: inset 0 0 0 3px var(--ink), inset 0 0 0 5px var(--surface); }
.fc-heads { position: absolute; inset: 0; pointer-events: none; }
.fc-head { position: absolute; left: 8px; right: 8px; height: 40px; display: flex; align-items: center; gap: .7rem; }
.fc-dim { color: var(--dim); }
.fc-small { pointer-events: auto; font: inherit; font-size: .85rem; padding: .15rem .6rem; border-radius: 7px; border: 1px solid var(--line); background: var(--raised); color: var(--ink); cursor: pointer; }
.fc-small:hover { border-color: var(--accent); }
.fc-small:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.fc-band { position: absolute; border: 1px solid var(--accent); background: var(--select); pointer-events: none; z-index: 2; }
`);
