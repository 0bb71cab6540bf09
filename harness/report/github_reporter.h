#pragma once

#include "harness/report/record.h"
#include "harness/report/reporter.h"

#include <iosfwd>

namespace rdmalab::report {

// `::error file=..,line=..,col=..,title=..::message` on the failing line of the scenario, as GitHub Actions reads it from stdout.
class GithubReporter : public Reporter {
public:
    explicit GithubReporter(std::ostream& out) : out_(out) {}
    // GITHUB_ACTIONS=true in the environment.
    static bool wanted();
    void handle(const Event& event) override;

private:
    std::ostream& out_;
    Record record_;
};

// The job summary ($GITHUB_STEP_SUMMARY): a table of runs, then what failed, in Markdown. A Writer for FileReporter.
void writeJobSummary(std::ostream& out, const Record& record);

} // namespace rdmalab::report
