/** `rmq completion`: a script for the shell, made from the commands themselves. */
import { RmqError } from '../protocol/errors.ts';
import type { AnyCommand, Command } from './shared/command.ts';
import { allFlags, placeholder } from './shared/flags.ts';
import { allCommands, type FoundCommand } from './tree.ts';

interface Options {
  readonly shell: string;
}

const shells = ['bash', 'zsh', 'fish'] as const;

export const completion: Command<Options, object> = {
  summary: 'Print a completion script for your shell',
  impact: 'read',
  isRemote: false,
  arguments: [{ name: 'shell', description: 'bash, zsh or fish', isRequired: true }],
  flags: [],
  columns: [],
  examples: [
    ['source <(rmq completion bash)', 'in this bash; put it into ~/.bashrc to keep it'],
    ['source <(rmq completion zsh)', 'in this zsh, behind compinit'],
    ['rmq completion fish | source', 'in this fish'],
  ],
  async run(context, { shell }) {
    const commands = await allCommands();
    switch (shell) {
      case 'bash':
        await context.stdout.write(bashScript(commands));
        return undefined;
      case 'zsh':
        await context.stdout.write(
          `autoload -U bashcompinit && bashcompinit\n${bashScript(commands)}`,
        );
        return undefined;
      case 'fish':
        await context.stdout.write(fishScript(commands));
        return undefined;
      default:
        throw new RmqError('USAGE', `there is no completion for ${shell}: ${shells.join(', ')}`);
    }
  },
};

/** What the first argument names, where the cluster can be asked for it. */
function namesOf({ arguments: list = [] }: AnyCommand): 'topic' | 'group' | undefined {
  const name = list[0]?.name;
  return name === 'topic' || name === 'group' ? name : undefined;
}

function flagsOf(command: AnyCommand): string {
  return [...allFlags(command).map(({ name }) => `--${name}`), '--help'].join(' ');
}

/** First words, and behind those with commands of their own the second ones. */
function wordsOf(commands: readonly FoundCommand[]): ReadonlyMap<string, readonly string[]> {
  const words = new Map<string, string[]>();
  for (const { path } of commands) {
    const [first = '', second] = path;
    const inner = words.get(first) ?? [];
    if (second !== undefined) inner.push(second);
    words.set(first, inner);
  }
  return words;
}

function bashScript(commands: readonly FoundCommand[]): string {
  const words = wordsOf(commands);
  const inner = [...words].filter(([, seconds]) => seconds.length > 0);
  const cases = inner.map(([first, seconds]) => `    "${first}") words="${seconds.join(' ')}" ;;`);
  const flags = commands.map(({ path, command }) => {
    const live = namesOf(command);
    const ask = live === undefined ? '' : `; live=${live}`;
    return `    "${path.join(' ')}") flags="${flagsOf(command)}"${ask} ;;`;
  });
  return `# rmq completion for bash; made by \`rmq completion bash\`
_rmq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="\${COMP_WORDS[1]}" words="" flags="" live="" depth=1
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...words.keys()].join(' ')}" -- "$current"))
    return
  fi
  case "$path" in
${cases.join('\n')}
  esac
  if [ -n "$words" ]; then
    if [ "$COMP_CWORD" -eq 2 ]; then
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      return
    fi
    path="$path \${COMP_WORDS[2]}"
    depth=2
  fi
  case "$path" in
${flags.join('\n')}
  esac
  if [ "\${current#-}" != "$current" ]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [ -n "$live" ] && [ "$COMP_CWORD" -eq $((depth + 1)) ]; then
    COMPREPLY=($(compgen -W "$(rmq "$live" list --output tsv 2>/dev/null | cut -f1)" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _rmq rmq
`;
}

function fishScript(commands: readonly FoundCommand[]): string {
  const lines = ['# rmq completion for fish; made by `rmq completion fish`', 'complete -c rmq -f'];
  for (const [first, seconds] of wordsOf(commands)) {
    lines.push(`complete -c rmq -n __fish_use_subcommand -a ${first}`);
    if (seconds.length === 0) continue;
    const open = `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${seconds.join(' ')}`;
    lines.push(`complete -c rmq -n '${open}' -a '${seconds.join(' ')}'`);
  }
  for (const { path, command } of commands) {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    for (const flag of allFlags(command)) {
      const value = placeholder(flag) === undefined ? '' : ' -r';
      const description = flag.description.replaceAll("'", "\\'");
      lines.push(`complete -c rmq -n '${seen}' -l ${flag.name}${value} -d '${description}'`);
    }
    const live = namesOf(command);
    if (live !== undefined) {
      const ask = `(rmq ${live} list --output tsv 2>/dev/null | cut -f1)`;
      lines.push(`complete -c rmq -n '${seen}' -a '${ask}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}
