/** What screens are made of in React: rows that are ready, keys, the size of the screen. */
import { Box, Text, useInput, useWindowSize } from 'ink';
import type { ReactElement } from 'react';
import { keyNames } from './keys.ts';

/** Rows one below the other, each of them exactly as wide as its place (`rows.ts`). */
export function Rows({ rows }: { readonly rows: readonly string[] }): ReactElement {
  return (
    <Box flexDirection="column">
      {rows.map((text, index) => (
        // A row is its place: what stands in it changes with every draw.
        <Text key={index} wrap="truncate">
          {text}
        </Text>
      ))}
    </Box>
  );
}

/** Calls `onKey` for each key that is pressed, by its name. */
export function useKeys(onKey: (key: string) => void, isActive = true): void {
  useInput(
    (input, key) => {
      for (const name of keyNames(input, key)) onKey(name);
    },
    { isActive },
  );
}

/** Columns and rows of the screen; changes with it. */
export function useScreenSize(): { readonly columns: number; readonly rows: number } {
  return useWindowSize();
}
