// Runs before the first paint, so that the page never flashes in the other theme. `auto` follows the system.
(() => {
  const light = matchMedia("(prefers-color-scheme: light)");
  const root = document.documentElement;
  const chosen = () => {
    try {
      return localStorage.getItem("lutlens-theme") || "auto";
    } catch {
      return "auto";
    }
  };
  const apply = () => {
    const choice = chosen();
    root.dataset.theme = choice === "auto" ? (light.matches ? "light" : "dark") : choice;
    const name = document.getElementById("theme-name");
    if (name) {
      name.textContent = choice;
      document.getElementById("theme").setAttribute("aria-label", `Colour theme: ${choice}`);
    }
    const ground = getComputedStyle(root).getPropertyValue("--ground").trim();
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", ground);
    dispatchEvent(new Event("themechange"));
  };
  light.addEventListener("change", apply);
  apply();
  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme")?.addEventListener("click", () => {
      const order = ["auto", "light", "dark"];
      const next = order[(order.indexOf(chosen()) + 1) % order.length];
      try {
        localStorage.setItem("lutlens-theme", next);
      } catch {
        // Storage is off: the choice cannot be kept, and auto stays.
      }
      apply();
    });
  });
})();
