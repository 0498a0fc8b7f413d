/** Components in Ink, and a screen that gives the terminal back. */
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { Text } from 'ink';
import { render } from 'ink-testing-library';
import type { ReactElement } from 'react';
import { useState } from 'react';
import { expect, test } from 'vitest';
import { Rows, useKeys, useScreenSize } from '../../../../src/commands/terminal/components.tsx';
import { showScreen } from '../../../../src/commands/terminal/screen.tsx';

function Probe(): ReactElement {
  const [keys, setKeys] = useState<readonly string[]>([]);
  const { columns } = useScreenSize();
  useKeys((key) => setKeys((before) => [...before, key]));
  return <Rows rows={[`columns ${columns}`, keys.join(' ')]} />;
}

test('rows stand below each other, and keys arrive by name', async () => {
  const { stdin, lastFrame, unmount } = render(<Probe />);
  await new Promise((resolve) => setImmediate(resolve));
  for (const chunk of ['jk', '\u001b[A', '\u007f', '\u0015']) stdin.write(chunk);
  await new Promise((resolve) => setImmediate(resolve));
  expect(lastFrame()).toBe('columns 100\nj k up backspace ctrl-u');
  unmount();
});

/** Streams that Ink takes for a terminal of 40×5. */
function fakeTerminal() {
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: () => stdin,
    ref: () => stdin,
    unref: () => stdin,
  });
  let written = '';
  const stdout = Object.assign(new EventEmitter(), {
    isTTY: true,
    columns: 40,
    rows: 5,
    writable: true,
    write: (text: string, done?: unknown) => {
      written += text;
      if (typeof done === 'function') (done as () => void)();
      return true;
    },
  });
  let onCrash: (() => void) | undefined;
  return {
    // The parts of the streams that Ink uses.
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    onCrash: (run: () => void) => {
      onCrash = run;
      return () => {
        onCrash = undefined;
      };
    },
    crash: () => onCrash?.(),
    isArmed: () => onCrash !== undefined,
    written: () => written,
  };
}

const enter = '\u001b[?1049h';
const leave = '\u001b[?1049l';

test.each(['signal', 'crash'])('the terminal is given back after a %s', async (how) => {
  const terminal = fakeTerminal();
  const abort = new AbortController();
  const shown = showScreen(<Text>hello</Text>, { terminal, signal: abort.signal });
  expect(terminal.written()).toContain(enter);
  expect(terminal.written()).toContain('hello');
  if (how === 'signal') abort.abort();
  else terminal.crash();
  await shown;
  expect(terminal.written().indexOf(leave)).toBeGreaterThan(terminal.written().indexOf(enter));
  expect(terminal.written()).toContain('\u001b[?25h');
  expect(terminal.isArmed()).toBe(false);
});

test('an error in a view ends the screen and is reported', async () => {
  const terminal = fakeTerminal();
  const Broken = (): ReactElement => {
    throw new Error('a defect');
  };
  const { signal } = new AbortController();
  await expect(showScreen(<Broken />, { terminal, signal })).rejects.toThrow('a defect');
  expect(terminal.written()).toContain(leave);
});
