// Fails if a report of redocly holds an error or a warning, and prints them. Redocly itself fails for errors alone.

import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const { severity, ruleId, message, location } of report.problems) {
  console.error(`${severity} ${ruleId}: ${message} at ${location?.[0]?.pointer ?? "the root"}`);
}
process.exit(report.totals.errors + report.totals.warnings === 0 ? 0 : 1);
