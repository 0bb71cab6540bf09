// Reports that are written as one document when everything has ended.
#pragma once

#include "harness/report/record.h"
#include "harness/report/reporter.h"

#include <iosfwd>
#include <string>

namespace rdmalab::report {

// A <testsuite> per run, a <testcase> per step; as GitHub, GitLab and Jenkins read JUnit XML. A file that could not be loaded is
// a test case with an <error>.
void writeJunit(std::ostream& out, const Record& record);
// {"apiVersion": "rdmalab.io/v1alpha1", "kind": "Report", "summary": {...}, "runs": [...]}
void writeJson(std::ostream& out, const Record& record);

// Collects and writes to `path` in finish(): to a temporary name beside it and then renamed, so that a reader never sees half.
// Throws SystemError when the file cannot be written.
class FileReporter : public Reporter {
public:
    using Writer = void (*)(std::ostream&, const Record&);
    FileReporter(std::string path, Writer write);
    void handle(const Event& event) override { record_.handle(event); }
    void finish() override;

private:
    std::string path_;
    Writer write_;
    Record record_;
};

} // namespace rdmalab::report
