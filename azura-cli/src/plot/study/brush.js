// Picks lines of the parallel coordinates: drag along an axis for a range, double-click it to let go.
for (const box of document.querySelectorAll('.parallel')) {
  const svg = box.querySelector('svg');
  const lines = [...svg.querySelectorAll('.line')].map((path) => ({
    path,
    at: path.dataset.at.split(',').map((text) => (text === '' ? undefined : Number(text))),
  }));
  const ranges = new Map();
  const count = box.querySelector('.picked-count');
  const show = () => {
    let picked = 0;
    for (const { path, at } of lines) {
      const on = [...ranges].every(([axis, [low, high]]) => at[axis] >= low && at[axis] <= high);
      path.classList.toggle('off', !on);
      picked += on ? 1 : 0;
    }
    count.textContent = ranges.size ? `${picked} of ${lines.length} trials picked` : '';
  };
  for (const axis of svg.querySelectorAll('.axis')) {
    const number = Number(axis.dataset.axis);
    const mark = axis.nextElementSibling;
    const top = Number(axis.getAttribute('y'));
    const height = Number(axis.getAttribute('height'));
    const up = (event) => {
      const frame = axis.getBoundingClientRect();
      return Math.min(1, Math.max(0, 1 - (event.clientY - frame.top) / frame.height));
    };
    let from = null;
    const drag = (event) => {
      if (from === null) return;
      const to = up(event);
      const [low, high] = [Math.min(from, to), Math.max(from, to)];
      ranges.set(number, [low, high]);
      mark.setAttribute('y', top + (1 - high) * height);
      mark.setAttribute('height', (high - low) * height);
      show();
    };
    axis.addEventListener('pointerdown', (event) => {
      axis.setPointerCapture(event.pointerId);
      from = up(event);
    });
    axis.addEventListener('pointermove', drag);
    axis.addEventListener('pointerup', (event) => {
      const still = from !== null && Math.abs(up(event) - from) < 0.01;
      from = null;
      if (still) {
        ranges.delete(number);
        mark.setAttribute('height', 0);
        show();
      }
    });
  }
}
