// Dark or light, as chosen last; a plain script in the head, so that a light page never flashes in the dark.
"use strict";

(() => {
  const KEY = "rheed-view-theme";
  const system = matchMedia("(prefers-color-scheme: light)");
  let chosen = "dark";
  try {
    chosen = localStorage.getItem(KEY) ?? "dark";
  } catch {
    // storage may be forbidden: the choice then holds for this page only
  }

  const apply = () => {
    const light = chosen === "light" || (chosen === "system" && system.matches);
    document.documentElement.dataset.theme = light ? "light" : "dark";
    document.dispatchEvent(new Event("themechange"));
  };

  system.addEventListener("change", apply);
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    const select = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));
    select.value = chosen;
    select.addEventListener("change", () => {
      chosen = select.value;
      try {
        localStorage.setItem(KEY, chosen);
      } catch {
        // as above
      }
      apply();
    });
  });
})();
