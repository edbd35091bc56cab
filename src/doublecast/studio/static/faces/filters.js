// What is shown and in which order: the controls beside and above the grid.
import { count, el, faces as counted, fill, labelled, personName } from "/static/faces/dom.js";
import { SORTS, USUAL } from "/static/faces/model.js";

const STEPS = 200;

export class Filters {
  // page: { settings, change(settings), turn(side), active() -> id }
  constructor(page) {
    this.page = page;
    const choose = (key) => (event) => page.change({ [key]: event.target.value });
    this.show = el("select", { onchange: choose("show") });
    this.person = el("select", { onchange: choose("person") });
    this.take = el("select", { onchange: choose("take") });
    this.low = el("input", { type: "range", min: 0, max: STEPS, value: 0, oninput: () => this.sharp() });
    this.high = el("input", { type: "range", min: 0, max: STEPS, value: STEPS, oninput: () => this.sharp() });
    this.sharpWords = el("span.dc-dim.fc-fine", { "aria-live": "polite" });
    this.all = el("button.fc-small", { type: "button", onclick: () => page.change({ ...USUAL, group: page.settings.group, sort: page.settings.sort, down: page.settings.down, like: page.settings.like }) }, "Show all faces again");
    this.sides = el("div.fc-sides", { role: "group", "aria-label": "Side" }, ...["actor", "target"].map((side) => el("button", { type: "button", "data-side": side, onclick: () => page.turn(side) }, side === "actor" ? "Actor" : "Target")));
    this.summary = el("div.fc-counts");
    const sharp = el("fieldset", {}, el("legend", {}, "Sharpness: ", this.sharpWords), labelled("from", this.low, { inline: true }), labelled("to", this.high, { inline: true }));
    this.side = el("div.fc-filters", {}, this.sides, this.summary, labelled("Show", this.show), labelled("Person", this.person), labelled("Take", this.take), sharp, this.all);

    this.group = el("select", { onchange: choose("group") });
    fill(this.group, [["none", "one list"], ["person", "by person"], ["take", "by take"]], "none");
    this.sort = el("select", { onchange: (event) => page.sort(event.target.value) });
    fill(this.sort, Object.entries(SORTS), "time");
    this.down = el("button.fc-icon", { type: "button", onclick: () => page.change({ down: !page.settings.down }) });
    this.size = el("input", { type: "range", min: 56, max: 224, step: 4, oninput: () => page.resize(Number(this.size.value)) });
    this.shown = el("span.dc-dim", { role: "status" });
    this.history = el("button.dc-button", { type: "button", "aria-expanded": "false", onclick: () => page.toggleHistory() }, "History");
    const order = el("span.fc-pair", {}, labelled("Sort", this.sort, { inline: true }), this.down);
    this.bar = el("div.fc-bar", {}, labelled("Group", this.group, { inline: true }), order, labelled("Size", this.size, { inline: true }), this.shown, el("span.dc-space"), this.history);
  }
  // Counts beside every choice, so that nobody chooses an empty list unknowingly.
  offer(faces, side) {
    const found = faces.counts(), s = this.page.settings;
    for (const button of this.sides.children) button.setAttribute("aria-pressed", button.dataset.side === side);
    const aside = faces.length - found.kept;
    const reasons = [...found.reasons].map(([reason, n]) => [`=${reason}`, `set aside: ${reason} (${count(n)})`]);
    const show = [["all", `all (${count(faces.length)})`], ["kept", `kept (${count(found.kept)})`], ["aside", `set aside (${count(aside)})`], ...reasons];
    const numbers = [...found.persons.keys()].filter((n) => n > 0).sort((a, b) => a - b);
    const of = (n) => count(found.persons.get(n) || 0);
    const others = numbers.reduce((sum, n) => sum + found.persons.get(n), 0);
    const people = [["any", "everybody"], ["main", `main person (${of(0)})`], ["others", `others (${count(others)})`], ["nobody", `nobody recognised (${of(-1)})`]];
    for (const n of numbers) people.push([String(n), `${personName(n)} (${of(n)})`]);
    const takes = [["any", "all takes"], ...faces.takes.map((name, n) => [String(n), `${name} (${count(found.takes.get(n) || 0)})`])];
    const fits = [fill(this.show, show, s.show), fill(this.person, people, s.person), fill(this.take, takes, s.take)];
    this.range = faces.range("sharpness");
    const items = [...found.reasons].map(([reason, n]) => el("li", {}, el("button.fc-link", { type: "button", onclick: () => this.page.change({ show: `=${reason}` }) }, `${count(n)} ${reason}`)));
    this.summary.replaceChildren(
      el("p", {}, el("strong", {}, counted(faces.length)), `, ${count(found.kept)} kept, ${count(aside)} set aside`),
      items.length ? el("ul.fc-reasons", { "aria-label": "Set aside because" }, ...items) : "",
    );
    return { show: fits[0] ? s.show : "all", person: fits[1] ? s.person : "any", take: fits[2] ? s.take : "any" };
  }
  // Puts the controls where the settings are.
  put(s, shown, total) {
    this.show.value = s.show;
    this.person.value = s.person;
    this.take.value = s.take;
    this.group.value = s.group;
    this.sort.value = s.sort;
    this.down.textContent = s.down ? "↓" : "↑";
    const words = s.down ? "Descending; change to ascending" : "Ascending; change to descending";
    this.down.setAttribute("aria-label", words);
    this.down.title = words;
    this.shown.textContent = shown === total ? counted(total) : `${count(shown)} of ${counted(total)}`;
    this.all.hidden = s.show === "all" && s.person === "any" && s.take === "any" && s.low === null && s.high === null && !s.cell;
    if (s.low === null) this.low.value = 0;
    if (s.high === null) this.high.value = STEPS;
    const [low, high] = this.range || [0, 0];
    this.sharpWords.textContent = s.low === null && s.high === null ? "any" : `${(s.low ?? low).toFixed(2)} to ${(s.high ?? high).toFixed(2)}`;
  }
  sharp() {
    const [low, high] = this.range, value = (slider) => low + ((high - low) * Number(slider.value)) / STEPS;
    this.page.change({ low: this.low.value > 0 ? value(this.low) : null, high: this.high.value < STEPS ? value(this.high) : null });
  }
}
