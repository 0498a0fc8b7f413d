/** docs/reference/grpc.md: every RPC and every field of the protos, from `grpc-notes.ts`. */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { commonNotes, fieldNotes, rpcNotes } from './grpc-notes.ts';

const protoFolder = fileURLToPath(new URL('../../proto', import.meta.url));

function schema(): protobuf.Namespace {
  const root = new protobuf.Root();
  root.resolvePath = (_, file) =>
    file.startsWith('google/') ? null : `${protoFolder}/${file.replace(/^.*\/proto\//, '')}`;
  root.loadSync(
    ['definition', 'service', 'admin'].map((name) => `apache/rocketmq/v2/${name}.proto`),
  );
  return root.lookup('apache.rocketmq.v2') as protobuf.Namespace; // declared by each of the files
}

function all(space: protobuf.NamespaceBase): protobuf.ReflectionObject[] {
  return space.nestedArray.flatMap((item) =>
    item instanceof protobuf.Namespace ? [item, ...all(item)] : [item],
  );
}

/** `a b: note` means both. */
function notesOf(message: string): ReadonlyMap<string, string> {
  const notes = new Map<string, string>();
  for (const line of (fieldNotes[message] ?? '').split('\n')) {
    const colon = line.indexOf(': ');
    for (const name of line.slice(0, colon).split(' ')) notes.set(name, line.slice(colon + 2));
  }
  return notes;
}

type Table = (head: readonly string[], rows: ReadonlyArray<readonly string[]>) => string;

/** @throws Error naming an RPC or a field without a note. */
export function grpcPage(note: string, table: Table): string {
  const objects = all(schema());
  const rpcs = objects
    .filter((item) => item instanceof protobuf.Service)
    .flatMap(({ name, methodsArray }) =>
      methodsArray.map((method) => {
        const [how, tests] = rpcNotes[method.name] ?? missing(`RPC ${method.name}`);
        return [name, `\`${method.name}\``, how, tests];
      }),
    );
  const fields = objects
    .filter((item) => item instanceof protobuf.Type)
    .flatMap((type) => {
      const notes = notesOf(type.name);
      return type.fieldsArray.map(({ name, id }) => [
        type.name,
        String(id),
        `\`${name}\``,
        notes.get(name) ?? commonNotes[name] ?? missing(`field ${type.name}.${name}`),
      ]);
    });
  return `# gRPC\n\n${note}
What the gRPC port serves of \`apache.rocketmq.v2\` (files in \`proto/\`). Tests: names of files in
\`test/unit/server/proxy\` and \`test/unit/server/broker\`; interop: the official clients.

## RPCs

${table(['service', 'RPC', 'how', 'tested in'], rpcs)}
## Fields

${table(['message', 'no.', 'field', 'how'], fields)}`;
}

function missing(what: string): never {
  throw new Error(`scripts/docs/grpc-notes.ts says nothing of ${what}`);
}
