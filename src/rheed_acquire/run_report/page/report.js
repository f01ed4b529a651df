"use strict";
// Puts an interactive plot in the place of each drawn one: drag to zoom in time, double click to zoom out.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const axis = (label) => ({
    label,
    labelSize: 20,
    stroke: () => color("--dim"),
    grid: { stroke: () => color("--line"), width: 1 },
    ticks: { stroke: () => color("--line"), width: 1 },
  });

  const together = [];
  for (const plot of data.plots) {
    const figure = document.querySelector(`figure[data-key="${plot.key}"]`);
    const options = {
      width: figure.clientWidth,
      height: 240,
      scales: { x: { time: false }, y: { range: plot.range } },
      // All plots share the run's time: zooming and pointing in one does so in each.
      cursor: { sync: { key: "time" }, drag: { x: true, y: false } },
      axes: [axis("seconds since the first frame"), { ...axis(plot.unit), size: 60 }],
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
        draw: [
          (self) => {
            const { ctx, bbox } = self;
            ctx.save();
            ctx.strokeStyle = ctx.fillStyle = color("--mark");
            ctx.lineWidth = devicePixelRatio;
            ctx.font = `${11 * devicePixelRatio}px sans-serif`;
            let free = bbox.left;
            for (const mark of plot.marks) {
              const x = Math.round(self.valToPos(mark.seconds, "x", true));
              if (x < bbox.left || x > bbox.left + bbox.width) continue;
              ctx.beginPath();
              ctx.moveTo(x, bbox.top);
              ctx.lineTo(x, bbox.top + bbox.height);
              ctx.stroke();
              // Where the words of one mark would lie on those of the next, the list below has them.
              const room = bbox.left + bbox.width - x;
              const words = mark.text.length > 24 ? `${mark.text.slice(0, 23)}…` : mark.text;
              if (x < free || ctx.measureText(words).width > room) continue;
              ctx.fillText(words, x + 3 * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
              free = x + ctx.measureText(words).width + 8 * devicePixelRatio;
            }
            ctx.restore();
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
    figure.querySelector("svg").remove();
    together.push(new uPlot(options, table, figure));
  }

  addEventListener("resize", () => {
    for (const plot of together) {
      plot.setSize({ width: plot.root.parentElement.clientWidth, height: 240 });
    }
  });
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
    for (const plot of together) plot.redraw(false, true);
  });
})();
