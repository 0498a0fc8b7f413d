/**
 * Makes the screens of README and docs: runs the real commands on a real server in tmux and writes what is
 * on the terminal as SVG, whose text can be read, searched and copied.
 *
 *   npm run build && node scripts/screens.ts          writes docs/screens/*.svg
 *
 * A screen is an entry of `screens`; whoever has another adds one. Needs tmux.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Rmq, startRmq } from '../src/index.ts';
import { rmqHere } from '../test/support/here.ts';
import { rmqExecutable, Terminal } from '../test/support/tmux.ts';

interface Shot {
  readonly file: string;
  readonly title: string;
  readonly command: readonly string[];
  readonly columns: number;
  readonly rows: number;
  /** Drives the terminal to what is to be seen. */
  drive(terminal: Terminal): Promise<unknown>;
}

const dashboardShots: readonly Shot[] = [
  {
    file: 'dashboard.svg',
    title: 'rmq dashboard',
    command: ['dashboard', '--interval', '500ms'],
    columns: 110,
    rows: 22,
    drive: async (terminal) => {
      await terminal.until((screen) => /backlog +[1-9]/.test(screen));
      await terminal.until((screen) => /in +[1-9][\d,.]*\/s +\S{30}/.test(screen), 60_000);
    },
  },
  {
    file: 'dashboard-group.svg',
    title: 'rmq dashboard: one consumer group',
    command: ['dashboard', '--interval', '500ms', '--group', 'billing'],
    columns: 110,
    rows: 22,
    drive: (terminal) => terminal.until((screen) => /lag [1-9].* 3 dead/.test(screen)),
  },
];

const listReady = (screen: string): boolean => screen.includes('order-118');

const screens: readonly Shot[] = [
  {
    file: 'tail.svg',
    title: 'rmq tail orders',
    command: ['tail', 'orders', '--last', '120'],
    columns: 110,
    rows: 26,
    drive: (terminal) => terminal.until(listReady),
  },
  {
    file: 'tail-message.svg',
    title: 'rmq tail: an open message',
    command: ['tail', 'orders', '--last', '120'],
    columns: 110,
    rows: 26,
    drive: async (terminal) => {
      await terminal.until(listReady);
      await terminal.press('Enter');
      await terminal.until((screen) => screen.includes('   "customer": {'));
    },
  },
  {
    file: 'tail-filter.svg',
    title: 'rmq tail: a filter',
    command: ['tail', 'orders', '--last', '120'],
    columns: 110,
    rows: 26,
    drive: async (terminal) => {
      await terminal.until(listReady);
      await terminal.press('/');
      await terminal.type('tag:paid $.amount > 900');
      await terminal.press('Enter');
      await terminal.until((screen) => /\d here/.test(screen));
    },
  },
];

/** What the dashboard is to show: a group that is behind, dead letters, and messages that keep coming. */
async function fillMore(server: Rmq): Promise<void> {
  const env = { RMQ_NAMESRV: server.endpoints.namesrv };
  for (const topic of ['payments', 'emails']) await server.createTopic(topic);
  for (const group of ['billing', 'shipping']) await rmqHere(['group', 'create', group], env);
  await rmqHere(['consume', 'billing', 'orders', '--count', '78', '--idle', '2s'], env);
  await server.createTopic('%DLQ%billing', { queues: 1 });
  for (const body of ['1', '2', '3']) await server.send('%DLQ%billing', { body });
}

/** Sends until it is told to stop, which waits for what is under way. */
function keepSending(server: Rmq): () => Promise<void> {
  let isOver = false;
  const run = async (): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      await server.send(n % 3 === 0 ? 'payments' : 'orders', { body: `{"n":${n}}` });
      await sleep(5 + 10 * Math.abs(Math.sin(n / 300)));
    }
  };
  const running = run();
  running.catch(() => {}); // who stops it is told
  return () => {
    isOver = true;
    return running;
  };
}

async function fill(server: Rmq): Promise<void> {
  await server.createTopic('orders', { queues: 4 });
  const customers = ['Zoë Åberg', '山田 花子', 'Ana Lima', 'Jo Smith'];
  const tags = ['new', 'paid', 'shipped'];
  for (let n = 0; n < 120; n++) {
    const body = {
      id: n,
      customer: { name: customers[n % 4], country: ['se', 'jp', 'br', 'uk'][n % 4] },
      amount: (n * 137) % 1_000,
      lines: [{ sku: `A-${100 + (n % 7)}`, count: 1 + (n % 3) }],
    };
    await server.send('orders', {
      body: JSON.stringify(body),
      tag: tags[n % 3] ?? 'new',
      key: `order-${n}`,
      properties: { region: n % 2 === 0 ? 'eu' : 'us' },
    });
  }
}

/** Colours of the 16 that views use, readable on the picture's dark ground. */
const colors: Readonly<Record<number, string>> = {
  31: '#f7768e',
  32: '#9ece6a',
  33: '#e0af68',
  34: '#7aa2f7',
  35: '#bb9af7',
  36: '#7dcfff',
};
const ground = '#1a1b26';
const ink = '#c0caf5';
const cellWidth = 8.4;
const lineHeight = 18;
const margin = 14;

interface Pen {
  color: string | undefined;
  isBold: boolean;
  isDim: boolean;
  isInverse: boolean;
}

/** Rows of a terminal, with their escape sequences, as a picture. */
export function svgOf(rows: readonly string[], columns: number, title: string): string {
  const pen: Pen = { color: undefined, isBold: false, isDim: false, isInverse: false };
  const parts: string[] = [];
  for (const [index, text] of rows.entries()) {
    const y = margin + index * lineHeight;
    let column = 0;
    for (const piece of text.split(/(\u001b\[[0-9;]*m)/)) {
      const codes = /^\u001b\[([0-9;]*)m$/.exec(piece)?.[1];
      if (codes !== undefined) apply(pen, codes);
      else if (piece !== '') {
        const cells = cellsOf(piece);
        parts.push(span(piece, pen, { x: margin + column * cellWidth, y, cells }));
        column += cells;
      }
    }
  }
  const width = Math.ceil(2 * margin + columns * cellWidth);
  const height = 2 * margin + rows.length * lineHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" rx="8" fill="${ground}"/>
${parts.join('\n')}
</svg>
`;
}

function apply(pen: Pen, codes: string): void {
  for (const code of (codes === '' ? '0' : codes).split(';').map(Number)) {
    if (code === 0)
      Object.assign(pen, { color: undefined, isBold: false, isDim: false, isInverse: false });
    else if (code === 1) pen.isBold = true;
    else if (code === 2) pen.isDim = true;
    else if (code === 22) Object.assign(pen, { isBold: false, isDim: false });
    else if (code === 7) pen.isInverse = true;
    else if (code === 27) pen.isInverse = false;
    else if (code === 39) pen.color = undefined;
    else if (colors[code] !== undefined) pen.color = colors[code];
  }
}

function span(
  text: string,
  pen: Pen,
  { x, y, cells }: { readonly x: number; readonly y: number; readonly cells: number },
): string {
  const color = pen.color ?? ink;
  const width = (cells * cellWidth).toFixed(1);
  const box = pen.isInverse
    ? `<rect x="${x.toFixed(1)}" y="${y}" width="${width}" height="${lineHeight}" fill="${color}"/>`
    : '';
  if (text.trim() === '') return box;
  const style = `fill="${pen.isInverse ? ground : color}"${pen.isBold ? ' font-weight="bold"' : ''}${pen.isDim ? ' opacity="0.6"' : ''}`;
  return `${box}<text x="${x.toFixed(1)}" y="${y + 14}" textLength="${width}" xml:space="preserve" ${style}>${escaped(text)}</text>`;
}

/** East Asian characters take two cells; nothing else that is wide is shown. */
function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += /[\u3000-\u9fff\uff00-\uff60]/.test(character) ? 2 : 1;
  return cells;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

async function main(): Promise<void> {
  const folder = fileURLToPath(new URL('../docs/screens/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const server = await startRmq();
  let stopSending = (): Promise<void> => Promise.resolve();
  try {
    await fill(server);
    for (const { file, title, command, columns, rows, drive } of [...screens, ...dashboardShots]) {
      if (file === dashboardShots[0]?.file) {
        await fillMore(server);
        stopSending = keepSending(server);
      }
      const env = { RMQ_NAMESRV: server.endpoints.namesrv };
      const argv = [process.execPath, rmqExecutable, ...command];
      const terminal = await Terminal.start(argv, { columns, rows, env });
      try {
        await drive(terminal);
        writeFileSync(`${folder}${file}`, svgOf(await terminal.rows(true), columns, title));
        console.log(`docs/screens/${file}`);
      } finally {
        await terminal.close();
      }
    }
  } finally {
    try {
      await stopSending();
    } finally {
      await server.stop();
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
