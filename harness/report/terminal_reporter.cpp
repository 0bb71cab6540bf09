#include "harness/report/terminal_reporter.h"

#include "harness/report/text.h"

#include <fmt/format.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>
#include <string_view>

namespace rdmalab::report {

namespace {

constexpr const char* red = "31";
constexpr const char* green = "32";
constexpr const char* yellow = "33";
constexpr const char* bold = "1";
constexpr const char* dim = "2";

const char* colourOf(Outcome outcome) {
    switch (outcome) {
    case Outcome::passed:
        return green;
    case Outcome::skipped:
        return yellow;
    default:
        return red;
    }
}

std::string_view mark(Outcome outcome) {
    switch (outcome) {
    case Outcome::passed:
        return "ok  ";
    case Outcome::failed:
        return "FAIL";
    case Outcome::skipped:
        return "skip";
    case Outcome::error:
        return "ERR ";
    case Outcome::invalid:
        return "BAD ";
    }
    return {};
}

bool isSet(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

} // namespace

TerminalOptions TerminalOptions::detect(int fd) {
    TerminalOptions options;
    const char* term = std::getenv("TERM");
    const bool terminal = ::isatty(fd) == 1 && (term == nullptr || std::string_view(term) != "dumb");
    options.live = terminal;
    options.colour = (terminal || isSet("CLICOLOR_FORCE")) && !isSet("NO_COLOR"); // no-color.org
    winsize size{};
    if (terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        options.width = size.ws_col;
    return options;
}

TerminalReporter::TerminalReporter(std::ostream& out, TerminalOptions options) : out_(out), options_(options) {}

std::string TerminalReporter::paint(const char* code, const std::string& text) const {
    return options_.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

void TerminalReporter::clearLine() {
    if (lineDrawn_)
        out_ << "\r\x1b[K";
    lineDrawn_ = false;
}

void TerminalReporter::drawLine(int run, const std::string& text) {
    const RunRecord& record = record_.runs().at(run);
    std::string line = record.started.scenario;
    if (!record.tier.tier.empty())
        line += " [" + record.tier.tier + ']';
    if (!record.steps.empty())
        line += fmt::format(" {}/{}", record.steps.back().started.step, record.started.steps);
    line += ' ' + text;
    out_ << "\r\x1b[K" << oneLine(line, static_cast<std::size_t>(options_.width - 1)) << std::flush;
    lineDrawn_ = true;
}

void TerminalReporter::printDetail(const std::string& label, const std::string& text) {
    if (text.empty())
        return;
    std::string indented = "         " + label + ": ";
    for (const char c : printable(text)) {
        indented += c;
        if (c == '\n')
            indented += "           ";
    }
    out_ << indented << '\n';
}

// What a reader sees of each event; the record has already taken it.
struct TerminalReporter::Printer {
    TerminalReporter& reporter;
    int run;

    const RunRecord& record() const { return reporter.record_.runs().at(run); }
    std::ostream& out() const { return reporter.out_; }

    // Lines of several runs may come mixed.
    void title() const {
        if (reporter.lastRun_ == run)
            return;
        reporter.lastRun_ = run;
        const RunRecord& r = record();
        std::string text = oneLine(r.started.scenario);
        if (!r.tier.tier.empty())
            text += " [" + oneLine(r.tier.tier) + ']';
        out() << reporter.paint(bold, text) << ' ' << reporter.paint(dim, oneLine(r.started.file)) << '\n';
    }

    void operator()(const ScenarioStarted&) const {}

    void operator()(const TierChosen& e) const {
        title();
        if (!e.reason.empty())
            out() << "  tier " << oneLine(e.tier) << ": " << oneLine(e.reason) << '\n';
    }

    void operator()(const ProblemFound& e) const {
        const std::string word = e.warning ? reporter.paint(yellow, "warning: ") : reporter.paint(red, "error: ");
        out() << (e.place.known() ? oneLine(e.place.str()) + ": " : "") << word << oneLine(e.message, 2000) << '\n';
        for (const auto& [label, text] :
             {std::pair{"expected", &e.expected}, std::pair{"found", &e.found}, std::pair{"hint", &e.hint}}) {
            if (!text->empty())
                out() << "  " << label << ": " << oneLine(*text, 2000) << '\n';
        }
    }

    void operator()(const StepStarted& e) const {
        if (reporter.options_.live)
            reporter.drawLine(run, e.name);
    }

    void operator()(const ProgressLine& e) const {
        if (reporter.options_.live) {
            reporter.drawLine(run, e.text);
        } else if (reporter.options_.verbose) {
            title();
            out() << "    ... " << oneLine(e.text) << '\n';
        }
    }

    void operator()(const AssertionResult& e) const {
        if (e.outcome == Outcome::passed && !reporter.options_.verbose)
            return;
        title();
        out() << "    " << reporter.paint(colourOf(e.outcome), std::string(mark(e.outcome))) << ' ' << oneLine(e.what) << '\n';
        if (e.outcome == Outcome::passed)
            return;
        if (e.place.known())
            out() << "         " << reporter.paint(dim, "at " + oneLine(e.place.str())) << '\n';
        reporter.printDetail("reason", e.message);
        reporter.printDetail("expected", e.expected);
        reporter.printDetail("found", e.found);
        reporter.printDetail("next", e.hint);
    }

    void operator()(const StepFinished& e) const {
        title();
        std::string stepName;
        for (const StepRecord& one : record().steps) {
            if (one.started.step == e.step)
                stepName = one.started.name;
        }
        out() << "  " << reporter.paint(colourOf(e.outcome), std::string(mark(e.outcome))) << ' ' << oneLine(stepName) << ' '
              << reporter.paint(dim, '(' + duration(e.took) + ')');
        if (e.outcome != Outcome::passed && !e.message.empty())
            out() << ": " << oneLine(e.message, 2000);
        out() << '\n';
    }

    void operator()(const OutputCaptured& e) const {
        title();
        out() << "    " << reporter.paint(dim, "-- " + oneLine(e.title)) << '\n';
        std::string_view rest = e.text;
        while (!rest.empty()) {
            const auto end = rest.find('\n');
            out() << "    | " << oneLine(rest.substr(0, end), 2000) << '\n';
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
    }

    void operator()(const ScenarioFinished& e) const {
        title();
        out() << "  " << reporter.paint(colourOf(e.outcome), std::string(name(e.outcome))) << " in " << duration(e.took);
        if (e.simulated.count() >= 0)
            out() << ", " << duration(e.simulated) << " of simulated time";
        if (!e.message.empty())
            out() << ": " << oneLine(e.message, 2000);
        out() << '\n';
    }
};

void TerminalReporter::handle(const Event& event) {
    record_.handle(event);
    const bool redrawn = std::holds_alternative<StepStarted>(event.body) || std::holds_alternative<ProgressLine>(event.body);
    if (!redrawn)
        clearLine();
    std::visit(Printer{*this, event.run}, event.body);
    out_ << std::flush;
}

void TerminalReporter::finish() {
    clearLine();
    for (const auto& [run, record] : record_.runs()) {
        if (!record.complete && !record.started.scenario.empty())
            out_ << paint(red, "ERR ") << ' ' << oneLine(record.started.scenario) << ": the run ended without a verdict\n";
    }
    const auto line = [&](const char* what, const Counts& counts) {
        if (counts.all() == 0)
            return;
        std::string text = plural(counts.all(), what) + ": ";
        text += paint(counts.passed > 0 ? green : dim, fmt::format("{} passed", counts.passed));
        for (const auto& [count, word, colour] :
             {std::tuple{counts.failed, "failed", red}, std::tuple{counts.skipped, "skipped", yellow},
              std::tuple{counts.errors, "in error", red}, std::tuple{counts.invalid, "invalid", red}}) {
            if (count > 0)
                text += ", " + paint(colour, fmt::format("{} {}", count, word));
        }
        out_ << text << '\n';
    };
    out_ << '\n';
    line("scenario", record_.scenarios());
    line("expectation", record_.assertions());
    out_ << std::flush;
}

} // namespace rdmalab::report
