/** Cells that several commands show alike. */

/** `rw-` for Apache's permission bits: 4 read, 2 write, 1 inherit. */
export function permissionText(permission: number): string {
  const has = (bit: number, letter: string): string => ((permission & bit) === 0 ? '-' : letter);
  return has(4, 'r') + has(2, 'w') + has(1, 'i');
}
