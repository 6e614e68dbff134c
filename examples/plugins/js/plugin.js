import { defineStep, Failure } from './sdk/index.ts';

/** Conventional commits: type, scope, a mark for a break, subject. */
const COMMIT = /^(\w+)(?:\(([^)]*)\))?(!)?:\s+(.+)$/;

const TITLES = { feat: 'Features', fix: 'Fixes', perf: 'Performance', docs: 'Documentation' };

export const step = defineStep({
  name: 'changelog.group',
  version: '1.0.0',
  summary: 'Groups commit subjects by their conventional type, and says which part of the version they bump.',
  config: {
    type: 'object',
    properties: {
      commits: {
        type: 'string',
        description: 'Subjects, one on each line: the output of `git log --format=%s`.',
      },
      others: { type: 'boolean', default: false, description: 'List what has no known type, too.' },
    },
    required: ['commits'],
    additionalProperties: false,
  },
  output: {
    type: 'object',
    properties: {
      markdown: { type: 'string', description: 'The changelog.' },
      bump: { enum: ['major', 'minor', 'patch'], description: 'What to bump: `part` of semver.bump.' },
    },
    required: ['markdown', 'bump'],
  },

  run({ commits, others }) {
    const subjects = commits.split('\n').map((line) => line.trim()).filter((line) => line !== '');
    if (subjects.length === 0) throw Failure.permanent('no_commits', 'there is no commit to group');
    const sections = new Map([['Breaking changes', []], ...Object.values(TITLES).map((title) => [title, []]), ['Others', []]]);
    let bump = 'patch';
    for (const subject of subjects) {
      const [, type, scope, breaks, text] = COMMIT.exec(subject) ?? [];
      const title = TITLES[type?.toLowerCase()];
      if (breaks) bump = 'major';
      else if (title === TITLES.feat && bump === 'patch') bump = 'minor';
      if (breaks || title || others) {
        const line = text === undefined ? subject : scope ? `**${scope}:** ${text}` : text;
        sections.get(breaks ? 'Breaking changes' : (title ?? 'Others')).push(`- ${line}`);
      }
    }
    const shown = [...sections].filter(([, lines]) => lines.length > 0);
    return { markdown: shown.map(([title, lines]) => `### ${title}\n\n${lines.join('\n')}\n`).join('\n'), bump };
  },
});
