import { describeScores } from "./scores.js";
import { whenAsked } from "./text.js";

whenAsked(describeScores);
