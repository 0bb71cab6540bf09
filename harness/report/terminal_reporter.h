#pragma once

#include "harness/report/record.h"
#include "harness/report/reporter.h"

#include <iosfwd>
#include <string>

namespace rdmalab::report {

struct TerminalOptions {
    bool live = false; // redraw one progress line in place
    bool colour = false;
    bool verbose = false; // passed assertions and, when not live, progress lines too
    int width = 100;      // of a live line

    // From the terminal at `fd` and NO_COLOR, CLICOLOR_FORCE, TERM.
    static TerminalOptions detect(int fd);
};

// Steps as they end, failures with all there is to know, at the end a summary with counts. Control characters in what is shown
// are replaced, so that a pod's output cannot drive the terminal.
class TerminalReporter : public Reporter {
public:
    // `out` must outlive the reporter.
    TerminalReporter(std::ostream& out, TerminalOptions options);
    void handle(const Event& event) override;
    void finish() override;

private:
    struct Printer;
    void clearLine();
    void drawLine(int run, const std::string& text);
    std::string paint(const char* code, const std::string& text) const;
    void printDetail(const std::string& label, const std::string& text);

    std::ostream& out_;
    TerminalOptions options_;
    Record record_;
    bool lineDrawn_ = false;
    int lastRun_ = -1;
};

} // namespace rdmalab::report
