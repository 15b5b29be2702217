// Prints the errors and warnings of a report of redocly, and fails if it has any. Redocly itself fails only for errors.

import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const { severity, ruleId, message, location } of report.problems) {
  console.error(`${severity} ${ruleId}: ${message} at ${location?.[0]?.pointer ?? "the root"}`);
}
process.exit(report.totals.errors + report.totals.warnings === 0 ? 0 : 1);
