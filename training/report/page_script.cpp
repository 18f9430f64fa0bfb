#include "training/report/page_style.h"

namespace softmoe::training {

// Nothing here holds data: values are read back from the paths and the cells that are drawn.
std::string_view page_script() {
  return R"script(
'use strict';
(() => {
  const SIDE = 1000;
  const numbers = text => text.split(' ').map(Number);
  const short = v => Number.isFinite(v) ? String(Number(v.toPrecision(4))) : '–';
  const readout = document.body.appendChild(document.createElement('div'));
  readout.className = 'readout';
  readout.hidden = true;

  const points = path => {
    path.known ??= [...path.getAttribute('d').matchAll(/([\d.-]+) ([\d.-]+)/g)]
      .map(m => [Number(m[1]), Number(m[2])]);
    return path.known;
  };
  const nearest = (list, x) => list.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
  const value = (plot, y) => {
    const [low, high] = numbers(plot.dataset.y), part = 1 - y / SIDE;
    return plot.dataset.kind === 'log' ? low * Math.pow(high / low, part) : low + part * (high - low);
  };
  const step = (plot, part) => {
    const [low, high] = numbers(plot.dataset.x);
    return low + part * (high - low);
  };

  const lines = (plot, at, y) => {
    const found = [...plot.querySelectorAll('path.line:not(.dim)')].filter(p => p.dataset.name && points(p).length)
      .map(path => {
        const point = nearest(points(path), at * SIDE);
        return {name: path.dataset.name, shape: path.getAttribute('class'), point,
                value: short(value(plot, point[1])), far: Math.abs(point[1] - y * SIDE)};
      });
    return found.length > 10 ? found.sort((a, b) => a.far - b.far).slice(0, 6) : found;
  };
  const areas = (plot, at) => [...plot.querySelectorAll('path.area')].map(path => {
    const all = points(path), half = all.slice(0, all.length / 2);
    const point = nearest(half, at * SIDE);
    const below = all[all.length - 1 - half.indexOf(point)][1];
    return {name: path.dataset.name, shape: path.getAttribute('class'), point,
            value: ((below - point[1]) / SIDE * 100).toFixed(1) + ' %'};
  }).reverse();
  const cell = (plot, at, y) => {
    const cells = plot.querySelector('svg.cells');
    const rows = (cells.known ??= cells.dataset.values.split(';').map(row => row.split(' ')));
    const row = Math.min(rows.length - 1, Math.floor(y * rows.length));
    const columns = Math.max(...rows.map(r => r.length));
    const column = Math.min(columns - 1, Math.floor(at * columns));
    return {title: cells.dataset.rowName + ' ' + row + ', ' + plot.dataset.xName + ' ' +
                   Math.round(step(plot, (column + .5) / columns)),
            list: [{name: '', shape: '', value: rows[row][column] ?? '–'}]};
  };

  const show = (plot, event) => {
    const box = plot.querySelector('.ground').getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    if (at < 0 || at > 1 || y < 0 || y > 1) return hide(plot);
    let list, title;
    if (plot.querySelector('svg.cells')) ({title, list} = cell(plot, at, y));
    else {
      list = plot.querySelector('path.area') ? areas(plot, at) : lines(plot, at, y);
      if (!list.length) return hide(plot);
      const x = nearest(list.map(item => item.point), at * SIDE)[0] / SIDE;
      title = plot.dataset.xName + ' ' + Math.round(step(plot, x));
      hair(plot, x);
    }
    readout.replaceChildren(document.createElement('strong'), ...list.map(item => {
      const row = document.createElement('div'), key = document.createElement('i');
      key.className = item.shape.replace('line', 'key').replace('area', 'swatch');
      const number = document.createElement('b');
      number.textContent = item.value;
      row.append(key, item.name, number);
      return row;
    }));
    readout.firstChild.textContent = title;
    readout.hidden = false;
    const right = event.pageX + 16 + readout.offsetWidth > document.documentElement.clientWidth;
    readout.style.left = (right ? event.pageX - 16 - readout.offsetWidth : event.pageX + 16) + 'px';
    readout.style.top = event.pageY + 14 + 'px';
  };
  const hair = (plot, x) => {
    let line = plot.querySelector('line.hair');
    if (!line) {
      line = document.createElementNS(plot.namespaceURI, 'line');
      line.setAttribute('class', 'hair');
      line.setAttribute('y2', '100%');
      plot.append(line);
    }
    for (const end of ['x1', 'x2']) line.setAttribute(end, x * 100 + '%');
  };
  const hide = plot => {
    readout.hidden = true;
    plot.querySelector('line.hair')?.remove();
  };
  for (const plot of document.querySelectorAll('svg.plot')) {
    plot.addEventListener('pointermove', event => show(plot, event));
    plot.addEventListener('pointerleave', () => hide(plot));
  }

  const place = document.getElementById('layers');
  const layered = [...document.querySelectorAll('path[data-layer]:not([data-layer=""])')];
  const count = 1 + Math.max(-1, ...layered.map(path => Number(path.dataset.layer)));
  if (place && count > 1) {
    const label = document.createElement('label'), select = document.createElement('select');
    label.className = 'choice';
    select.append(new Option('all', ''), ...Array.from({length: count}, (_, n) => new Option(n, n)));
    select.addEventListener('change', () => {
      for (const path of layered) {
        path.classList.toggle('dim', select.value !== '' && path.dataset.layer !== select.value);
      }
    });
    label.append('Show layer ', select);
    place.prepend(label);
  }
})();
)script";
}

}  // namespace softmoe::training
