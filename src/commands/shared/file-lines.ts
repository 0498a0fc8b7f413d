/** Lines of a file of any size, each with where it ends; in memory is one piece and one line. */
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';

export interface FileLine {
  readonly text: string;
  /** From 1; counted from where reading began. */
  readonly number: number;
  /** Byte behind its line end. */
  readonly endOffset: number;
}

const pieceBytes = 1 << 20;
/** The largest message as base64, with room for its properties. */
const lineMaxBytes = 96 << 20;

/** @throws RmqError USAGE when the file cannot be opened or has a line that nobody wrote. */
export async function* fileLines(path: string, beginOffset = 0): AsyncGenerator<FileLine> {
  const file = await openFile(path);
  try {
    let rest: Buffer = Buffer.alloc(0);
    let position = beginOffset;
    let number = 0;
    for (;;) {
      const piece = Buffer.alloc(pieceBytes);
      const size = await file.read(piece, 0, pieceBytes, position);
      if (size === 0) break;
      rest = Buffer.concat([rest, piece.subarray(0, size)]);
      const startOffset = position + size - rest.length;
      position += size;
      let begin = 0;
      for (;;) {
        const end = rest.indexOf(0x0a, begin);
        if (end < 0) break;
        yield {
          text: rest.toString('utf8', begin, end),
          number: ++number,
          endOffset: startOffset + end + 1,
        };
        begin = end + 1;
      }
      rest = rest.subarray(begin);
      if (rest.length > lineMaxBytes) {
        throw new RmqError('USAGE', `${path}: line ${number + 1} is longer than any message`);
      }
    }
    if (rest.length > 0) {
      yield { text: rest.toString('utf8'), number: number + 1, endOffset: position };
    }
  } finally {
    await file.close();
  }
}

/** Bytes of the file. @throws RmqError USAGE when it cannot be read. */
export async function fileSize(path: string): Promise<number> {
  const file = await openFile(path);
  try {
    return await file.sizeBytes();
  } finally {
    await file.close();
  }
}

async function openFile(path: string): ReturnType<NodeFiles['open']> {
  try {
    return await new NodeFiles().open(path, { create: false, isReadOnly: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RmqError('USAGE', `cannot read ${path}: ${reason}`, { cause: error });
  }
}
