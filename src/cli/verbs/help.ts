import { programHelp, verbCommand } from "../help.js";
import type { Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { TOPICS } from "../topics.js";
import { usage } from "../usage.js";

export const verb: Verb = {
  configure: (command) => void command.argument("[topic]", `a verb, or one of: ${Object.keys(TOPICS).join(", ")}`),
  examples: ["help read # as spinn read --help", "help boards # how a board is named"],
  statuses: [],
  async run(job, command) {
    const topic = command.args[0];
    let text: string;
    if (topic === undefined) text = `${programHelp(job.verbs)}Topics: ${Object.keys(TOPICS).join(", ")}: spinn help TOPIC\n`;
    else if (Object.hasOwn(job.verbs, topic)) {
      const { purpose, load } = job.verbs[topic]!;
      text = verbCommand(topic, purpose, (await load()).verb).helpInformation();
    } else if (Object.hasOwn(TOPICS, topic)) text = TOPICS[topic]!;
    else {
      const near = nearestWord(topic, [...Object.keys(job.verbs), ...Object.keys(TOPICS)]);
      throw usage(
        `there is no help on "${topic}"`,
        near === undefined ? `topics are ${Object.keys(TOPICS).join(", ")}, and every verb` : `did you mean ${near}?`,
      );
    }
    job.result({ topic: topic ?? null, text }, () => text);
  },
};
