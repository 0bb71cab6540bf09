#include "harness/report/github_reporter.h"

#include "harness/report/text.h"

#include <cstdlib>
#include <ostream>
#include <string_view>

namespace rdmalab::report {

namespace {

// Workflow commands: % and line ends are escaped in the message, in properties also : and ,
std::string escaped(std::string_view text, bool property) {
    std::string out;
    for (const char c : printable(text)) {
        switch (c) {
        case '%':
            out += "%25";
            break;
        case '\n':
            out += "%0A";
            break;
        case '\r':
            out += "%0D";
            break;
        case ':':
            out += property ? "%3A" : ":";
            break;
        case ',':
            out += property ? "%2C" : ",";
            break;
        default:
            out += c;
        }
    }
    return out;
}

void annotate(std::ostream& out, std::string_view level, const Place& place, std::string_view title, const std::string& message) {
    out << "::" << level << ' ';
    if (place.known()) {
        out << "file=" << escaped(place.file, true) << ',';
        if (place.line > 0)
            out << "line=" << place.line << ",col=" << place.column << ',';
    }
    out << "title=" << escaped(title, true) << "::" << escaped(message, false) << '\n' << std::flush;
}

std::string details(std::string message, const std::string& expected, const std::string& found, const std::string& hint) {
    if (!expected.empty())
        message += "\nexpected: " + expected;
    if (!found.empty())
        message += "\nfound: " + found;
    if (!hint.empty())
        message += "\nnext: " + hint;
    return message;
}

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : oneLine(text)) {
        if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '[' || c == ']')
            out += '\\';
        if (c == '<')
            out += "&lt;";
        else
            out += c;
    }
    return out;
}

} // namespace

bool GithubReporter::wanted() {
    const char* value = std::getenv("GITHUB_ACTIONS");
    return value != nullptr && std::string_view(value) == "true";
}

void GithubReporter::handle(const Event& event) {
    record_.handle(event);
    const RunRecord& run = record_.runs().at(event.run);
    const std::string title = run.tier.tier.empty() ? run.started.scenario : run.started.scenario + " [" + run.tier.tier + ']';
    if (const auto* problem = std::get_if<ProblemFound>(&event.body)) {
        annotate(out_, problem->warning ? "warning" : "error", problem->place, title,
                 details(problem->message, problem->expected, problem->found, problem->hint));
    } else if (const auto* result = std::get_if<AssertionResult>(&event.body)) {
        if (result->outcome == Outcome::failed || result->outcome == Outcome::error)
            annotate(out_, "error", result->place, title,
                     details(result->message.empty() ? result->what : result->what + ": " + result->message, result->expected,
                             result->found, result->hint));
    } else if (const auto* end = std::get_if<StepFinished>(&event.body)) {
        if (end->outcome != Outcome::failed && end->outcome != Outcome::error)
            return;
        for (const StepRecord& step : run.steps) {
            if (step.started.step != end->step)
                continue;
            for (const AssertionResult& one : step.assertions) {
                if (one.outcome == Outcome::failed || one.outcome == Outcome::error)
                    return; // has its annotation
            }
            annotate(out_, "error", step.started.place, title,
                     step.started.name + (end->message.empty() ? "" : ": " + end->message));
        }
    } else if (const auto* finished = std::get_if<ScenarioFinished>(&event.body)) {
        if (finished->outcome == Outcome::skipped)
            annotate(out_, "notice", {run.started.file, 0, 0}, title, "skipped: " + finished->message);
        if (finished->outcome == Outcome::error)
            annotate(out_, "error", {run.started.file, 0, 0}, title, finished->message);
    }
}

void writeJobSummary(std::ostream& out, const Record& record) {
    out << "## rdmalab\n\n| scenario | tier | verdict | time | |\n|---|---|---|---|---|\n";
    for (const auto& [number, run] : record.runs()) {
        const std::string message = run.complete ? run.finished.message : "the run ended without a verdict";
        out << "| " << cell(run.started.scenario) << " | " << cell(run.tier.tier) << " | " << name(run.outcome()) << " | "
            << duration(run.finished.took) << " | " << cell(message) << " |\n";
    }
    for (const auto& [number, run] : record.runs()) {
        for (const ProblemFound& one : run.problems)
            out << "\n- **" << cell(one.place.str()) << "** " << cell(one.message)
                << (one.hint.empty() ? "" : " — " + cell(one.hint)) << '\n';
        for (const StepRecord& step : run.steps) {
            for (const AssertionResult& one : step.assertions) {
                if (one.outcome != Outcome::failed && one.outcome != Outcome::error)
                    continue;
                out << "\n- **" << cell(one.place.str()) << "** " << cell(one.what) << ": " << cell(one.message);
                if (!one.expected.empty())
                    out << "<br>expected: " << cell(one.expected);
                if (!one.found.empty())
                    out << "<br>found: " << cell(one.found);
                if (!one.hint.empty())
                    out << "<br>next: " << cell(one.hint);
                out << '\n';
            }
        }
    }
}

} // namespace rdmalab::report
