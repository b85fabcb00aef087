"use strict";
for (const [number, holder] of [...document.querySelectorAll(".frames")].entries()) {
  const frames = [...holder.querySelectorAll("figure")];
  if (frames.length < 2) continue;
  const bar = document.createElement("div"), label = document.createElement("label"), slider = document.createElement("input");
  bar.className = "controls";
  slider.type = "range";
  slider.id = `frames${number}`;
  slider.min = 1;
  slider.max = frames.length;
  slider.value = frames.length;
  label.htmlFor = slider.id;
  label.textContent = `${holder.dataset.title}, from the first to the last`;
  const show = () => {
    frames.forEach((frame, at) => { frame.hidden = at !== slider.value - 1; });
    slider.setAttribute("aria-valuetext", `${frames[slider.value - 1].dataset.name}, ${slider.value} of ${frames.length}`);
  };
  slider.addEventListener("input", show);
  bar.append(label, slider);
  holder.before(bar);
  holder.classList.add("one");
  show();
}
