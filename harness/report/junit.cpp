#include "harness/report/file_reporters.h"
#include "harness/report/text.h"

#include <fmt/format.h>
#include <pugixml.hpp>

namespace rdmalab::report {

namespace {

void set(pugi::xml_node node, const char* attribute, const std::string& value) {
    node.append_attribute(attribute).set_value(printable(value).c_str());
}

void set(pugi::xml_node node, const char* attribute, int value) {
    node.append_attribute(attribute).set_value(value);
}

std::string seconds(Milliseconds time) {
    return fmt::format("{}.{:03}", time.count() / 1000, time.count() % 1000);
}

void setText(pugi::xml_node node, const std::string& text) {
    node.append_child(pugi::node_pcdata).set_value(printable(text).c_str());
}

std::string block(const Place& place, const std::string& what, const std::string& message, const std::string& expected,
                  const std::string& found, const std::string& hint) {
    std::string out = place.known() ? place.str() + ": " : std::string();
    out += what;
    if (!message.empty())
        out += (what.empty() ? "" : ": ") + message;
    for (const auto& [label, text] : {std::pair{"expected", &expected}, std::pair{"found", &found}, std::pair{"next", &hint}}) {
        if (!text->empty())
            out += fmt::format("\n  {}: {}", label, *text);
    }
    return out + '\n';
}

void addVerdict(pugi::xml_node testcase, Outcome outcome, const std::string& message, const std::string& text) {
    if (outcome == Outcome::passed)
        return;
    const char* element = outcome == Outcome::failed ? "failure" : outcome == Outcome::skipped ? "skipped" : "error";
    pugi::xml_node node = testcase.append_child(element);
    set(node, "message", message);
    if (outcome != Outcome::skipped)
        set(node, "type", std::string(name(outcome)));
    if (!text.empty())
        setText(node, text);
}

pugi::xml_node addCase(pugi::xml_node suite, const RunRecord& run, const std::string& title, const Place& place,
                       Milliseconds took) {
    pugi::xml_node node = suite.append_child("testcase");
    set(node, "name", title);
    set(node, "classname", run.tier.tier.empty() ? run.started.scenario : run.started.scenario + '.' + run.tier.tier);
    if (place.known()) {
        set(node, "file", place.file);
        set(node, "line", place.line);
    }
    set(node, "time", seconds(took));
    return node;
}

struct Totals {
    Counts counts;
    int cases = 0;
    Milliseconds took{0};
};

void addStep(pugi::xml_node suite, const RunRecord& run, const StepRecord& step, Totals& totals) {
    pugi::xml_node node =
        addCase(suite, run, fmt::format("{} {}", step.started.step, step.started.name), step.started.place, step.finished.took);
    totals.counts.add(step.finished.outcome);
    ++totals.cases;
    std::string message = step.complete ? step.finished.message : "the step did not end";
    std::string text, output;
    for (const AssertionResult& one : step.assertions) {
        if (one.outcome == Outcome::passed)
            continue;
        const std::string part = block(one.place, one.what, one.message, one.expected, one.found, one.hint);
        if (one.outcome == Outcome::skipped && step.finished.outcome != Outcome::skipped) {
            output += "skipped: " + part; // a test case has one verdict; what was skipped must still be seen
            continue;
        }
        text += part;
        if (message.empty())
            message = one.message.empty() ? one.what : one.message;
    }
    addVerdict(node, step.finished.outcome, message, text);
    for (const OutputCaptured& one : step.outputs)
        output += "-- " + one.title + '\n' + one.text + (one.text.ends_with('\n') ? "" : "\n");
    if (!output.empty())
        setText(node.append_child("system-out"), output);
}

void addRun(pugi::xml_node root, const RunRecord& run, Totals& all) {
    pugi::xml_node suite = root.append_child("testsuite");
    Totals totals;
    set(suite, "name", run.tier.tier.empty() ? run.started.scenario : run.started.scenario + " [" + run.tier.tier + ']');
    if (!run.started.file.empty())
        set(suite, "file", run.started.file);
    if (!run.started.startedAt.empty())
        set(suite, "timestamp", run.started.startedAt);
    for (const StepRecord& step : run.steps)
        addStep(suite, run, step, totals);
    std::string problems;
    for (const ProblemFound& one : run.problems) {
        if (!one.warning)
            problems += block(one.place, {}, one.message, one.expected, one.found, one.hint);
    }
    const Outcome outcome = run.outcome();
    const bool told = totals.counts.failed + totals.counts.errors > 0;
    // A verdict that no step shows: a bad file, a tier that cannot run here, a lab that died.
    if (!problems.empty() || (run.steps.empty() && outcome != Outcome::passed) || (outcome == Outcome::error && !told)) {
        Place place = run.problems.empty() ? Place{run.started.file, 1, 1} : run.problems.front().place;
        pugi::xml_node node = addCase(suite, run, run.steps.empty() ? "run" : "verdict", place, Milliseconds(0));
        const Outcome shown = problems.empty() ? outcome : Outcome::invalid;
        std::string message = run.complete ? run.finished.message : "the run ended without a verdict";
        if (message.empty() && !run.problems.empty())
            message = run.problems.front().message;
        addVerdict(node, shown, message, problems);
        totals.counts.add(shown);
        ++totals.cases;
    }
    totals.took = run.finished.took;
    set(suite, "tests", totals.cases);
    set(suite, "failures", totals.counts.failed);
    set(suite, "errors", totals.counts.errors + totals.counts.invalid);
    set(suite, "skipped", totals.counts.skipped);
    set(suite, "time", seconds(totals.took));
    all.cases += totals.cases;
    all.counts.failed += totals.counts.failed;
    all.counts.errors += totals.counts.errors + totals.counts.invalid;
    all.counts.skipped += totals.counts.skipped;
    all.took += totals.took;
}

} // namespace

void writeJunit(std::ostream& out, const Record& record) {
    pugi::xml_document document;
    pugi::xml_node declaration = document.append_child(pugi::node_declaration);
    declaration.append_attribute("version") = "1.0";
    declaration.append_attribute("encoding") = "UTF-8";
    pugi::xml_node root = document.append_child("testsuites");
    set(root, "name", std::string("rdmalab"));
    Totals all;
    for (const auto& run : record.runs())
        addRun(root, run.second, all);
    set(root, "tests", all.cases);
    set(root, "failures", all.counts.failed);
    set(root, "errors", all.counts.errors);
    set(root, "skipped", all.counts.skipped);
    set(root, "time", seconds(all.took));
    document.save(out, "  ", pugi::format_default, pugi::encoding_utf8);
}

} // namespace rdmalab::report
