/** Copying through the terminal: works over ssh, needs no program on the machine. */

/** Terminals drop longer ones. */
const copySizeMaxBytes = 74_994;

/** The sequence that copies `text` (OSC 52); undefined when terminals would not take so much. */
export function copySequence(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const encoded = Buffer.from(text, 'utf8').toString('base64');
  if (encoded.length > copySizeMaxBytes) return undefined;
  const sequence = `\u001b]52;c;${encoded}\u0007`;
  // tmux passes it on when set-clipboard allows it; screen needs it wrapped.
  const isScreen = (environment['TERM'] ?? '').startsWith('screen') && !environment['TMUX'];
  return isScreen ? `\u001bP${sequence}\u001b\\` : sequence;
}
