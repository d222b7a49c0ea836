/* Small charts over time: lines, and areas one upon another. Gaps stay gaps. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { clock, make, setText } = actionstream;
  const SVG = "http://www.w3.org/2000/svg";
  const WIDE = 600;
  const TALL = 100;

  function draw(tag, attributes) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  /** The next round number: 1, 2 or 5 times a power of ten. */
  function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
  }

  /** Runs of rows that hold a number: where it is missing the chart is empty. */
  function runs(values) {
    const found = [];
    values.forEach((value, row) => {
      if (value === null || value === undefined || Number.isNaN(value)) return;
      if (row > 0 && found.at(-1)?.at(-1) === row - 1) found.at(-1).push(row);
      else found.push([row]);
    });
    return found;
  }

  class Chart {
    /** @param {{title?: string, unit?: string, least?: number, small?: boolean}} parts
     *    `least`: the axis reaches at least so high */
    constructor({ title = "", unit = "", least = 1, small = false } = {}) {
      this.unit = unit;
      this.least = least;
      this.small = small;
      this.element = make("figure", small ? "spark" : "chart-box");
      this.svg = draw("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, preserveAspectRatio: "none",
        "aria-hidden": "true" });
      this.caption = make("figcaption", "", title);
      this.top = make("span", "axis top");
      this.from = make("span", "axis from");
      this.until = make("span", "axis until");
      if (small) this.element.append(this.svg);
      else this.element.append(this.caption, this.svg, this.top, this.from, this.until);
    }

    /** @param {number[]} at UTC seconds of each row
     *  @param {{values: (number|null)[], colour: string}[]} series; `stacked`: one upon another */
    show(at, series, { stacked = false } = {}) {
      const first = at[0];
      const length = Math.max(1e-6, at[at.length - 1] - first);
      const lifted = stacked ? this.stack(at, series) : series;
      const peak = Math.max(this.least, ...lifted.flatMap(({ values }) => values.map((v) => v ?? 0)));
      const high = this.small ? peak * 1.05 : roundUp(peak);
      const x = (row) => ((at[row] - first) / length) * WIDE;
      const y = (value) => TALL - (value / high) * TALL;
      const shapes = lifted.map(({ values, floor, colour }) => {
        const path = runs(values).map((rows) => this.path(rows, x, y, values, floor)).join("");
        return draw("path", stacked ? { d: path, fill: colour, stroke: "none" }
          : { d: path, fill: "none", stroke: colour, "stroke-width": 1.8, "vector-effect": "non-scaling-stroke" });
      });
      this.svg.replaceChildren(...shapes);
      if (this.small) return;
      setText(this.top, `${high}\u00a0${this.unit}`);
      setText(this.from, at.length ? clock(first) : "");
      setText(this.until, at.length ? clock(at[at.length - 1]) : "");
    }

    stack(at, series) {
      let floor = at.map(() => 0);
      return series.map(({ values, colour }) => {
        const below = floor;
        floor = at.map((_, row) => below[row] + Math.max(0, values[row] ?? 0));
        const top = floor;
        return { colour, floor: below, values: at.map((_, row) => (values[row] === null ? null : top[row])) };
      });
    }

    path(rows, x, y, values, floor) {
      const line = rows.map((row) => `${x(row).toFixed(1)},${y(values[row]).toFixed(1)}`);
      // A single point would be invisible.
      if (rows.length === 1) line.push(`${(x(rows[0]) + 2).toFixed(1)},${y(values[rows[0]]).toFixed(1)}`);
      if (!floor) return `M${line.join("L")}`;
      const back = [...rows].reverse().map((row) => `${x(row).toFixed(1)},${y(floor[row]).toFixed(1)}`);
      return `M${line.join("L")}L${back.join("L")}Z`;
    }
  }

  actionstream.Chart = Chart;
})(window.actionstream);
