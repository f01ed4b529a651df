"use strict";
// Puts an interactive plot in the place of each drawn one: drag to zoom in time, double click to zoom out.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const axis = () => ({
    stroke: () => color("--dim"),
    grid: { stroke: () => color("--line"), width: 1 },
    ticks: { stroke: () => color("--line"), width: 1 },
  });

  /** So many children of a class, in the plotting area. */
  const elements = (over, name, count) => {
    const found = [...over.getElementsByClassName(name)];
    while (found.length > count) found.pop().remove();
    while (found.length < count) {
      const made = document.createElement("div");
      made.className = name;
      over.append(made);
      found.push(made);
    }
    return found;
  };

  /** Lines for the marks, their words above the plot where there is room, and bands where no frame came. */
  const annotate = (self, plot) => {
    const { over } = self;
    const { min, max } = self.scales.x;
    const x = (seconds) => self.valToPos(seconds, "x");
    const width = over.clientWidth;
    const seen = plot.marks.filter(({ seconds }) => seconds >= min && seconds <= max);
    const lines = elements(over, "mark-line", seen.length);
    const labels = elements(over, "mark-label", seen.length);
    let free = -8;
    seen.forEach((mark, at) => {
      lines[at].style.left = `${x(mark.seconds)}px`;
      const label = labels[at];
      label.textContent = label.title = mark.text;
      label.hidden = false;
      const left = Math.max(Math.min(x(mark.seconds), width - label.offsetWidth), 0);
      // Where the words of one mark would lie on those of the next, the list below has them.
      label.hidden = left < free + 8;
      label.style.left = `${left}px`;
      if (!label.hidden) free = left + label.offsetWidth;
    });
    const bands = elements(over, "gap-band", plot.gaps.length);
    plot.gaps.forEach(([begun, ended], at) => {
      const [from, to] = [Math.max(x(begun), 0), Math.min(x(ended), width)];
      bands[at].style.left = `${from}px`;
      bands[at].style.width = `${Math.max(to - from, 0)}px`;
    });
  };

  const together = [];
  const size = (drawing) => ({ width: Math.floor(drawing.getBoundingClientRect().width), height: drawing.clientHeight });
  for (const plot of data.plots) {
    const figure = document.querySelector(`figure[data-key="${plot.key}"]`);
    const drawing = figure.querySelector(".drawing");
    const pointed = figure.querySelector(".at");
    const options = {
      ...size(drawing),
      padding: [plot.marks.length > 0 ? 20 : 8, 14, null, null],
      legend: { show: plot.curves.length > 1 },
      scales: { x: { time: false }, y: { range: plot.range } },
      // All plots share the run's time: zooming and pointing in one does so in each.
      cursor: { sync: { key: "time" }, drag: { x: true, y: false } },
      axes: [{ ...axis(), size: 26 }, { ...axis(), size: 60, space: 24 }],
      series: [
        { label: "s", value: (_, value) => (value === null ? "" : value.toFixed(2)) },
        ...plot.curves.map((curve) => ({
          label: curve.name,
          stroke: curve.color,
          width: 1.3,
          spanGaps: false,
          value: (_, value) => (value === null ? "" : value.toFixed(2)),
        })),
      ],
      hooks: {
        draw: [(self) => annotate(self, plot)],
        setCursor: [
          (self) => {
            const { idx } = self.cursor;
            if (plot.curves.length > 1) return;
            const [second, value] = idx === null ? [] : [self.data[0][idx], self.data[1][idx]];
            pointed.textContent = typeof value === "number" ? `at ${second.toFixed(2)} s: ${Number(value.toPrecision(6))} ${plot.unit}` : "";
          },
        ],
        setScale: [
          (self, key) => {
            if (key !== "x") return;
            const { min, max } = self.scales.x;
            for (const other of together) {
              if (other !== self && (other.scales.x.min !== min || other.scales.x.max !== max)) {
                other.setScale("x", { min, max });
              }
            }
          },
        ],
      },
    };
    const table = uPlot.join(plot.curves.map((curve) => [curve.seconds, curve.values]));
    drawing.querySelector("svg").remove();
    if (plot.curves.length > 1) drawing.style.height = "auto";
    const made = new uPlot(options, table, drawing);
    // Each spans the whole run, whenever its own values began.
    made.setScale("x", { min: 0, max: plot.last });
    together.push(made);
  }

  addEventListener("resize", () => {
    for (const plot of together) plot.setSize({ ...size(plot.root.parentElement), height: plot.height });
  });
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
    for (const plot of together) plot.redraw(false, true);
  });
})();
