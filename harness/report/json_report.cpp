#include "harness/report/file_reporters.h"

#include <nlohmann/json.hpp>

#include <ostream>

namespace rdmalab::report {

namespace {

using Json = nlohmann::ordered_json;

Json toJson(const Counts& counts) {
    return {{"passed", counts.passed},
            {"failed", counts.failed},
            {"skipped", counts.skipped},
            {"error", counts.errors},
            {"invalid", counts.invalid}};
}

void setPlace(Json& json, const Place& place) {
    if (!place.known())
        return;
    json["file"] = place.file;
    json["line"] = place.line;
    json["column"] = place.column;
}

void setText(Json& json, const char* key, const std::string& text) {
    if (!text.empty())
        json[key] = text;
}

Json toJson(const ProblemFound& problem) {
    Json json;
    json["severity"] = problem.warning ? "warning" : "error";
    setPlace(json, problem.place);
    json["message"] = problem.message;
    setText(json, "expected", problem.expected);
    setText(json, "found", problem.found);
    setText(json, "hint", problem.hint);
    return json;
}

Json toJson(const AssertionResult& result) {
    Json json;
    json["what"] = result.what;
    json["outcome"] = name(result.outcome);
    setPlace(json, result.place);
    setText(json, "message", result.message);
    setText(json, "expected", result.expected);
    setText(json, "found", result.found);
    setText(json, "hint", result.hint);
    return json;
}

Json toJson(const StepRecord& step) {
    Json json;
    json["step"] = step.started.step;
    json["name"] = step.started.name;
    json["kind"] = step.started.kind;
    setPlace(json, step.started.place);
    json["outcome"] = name(step.finished.outcome);
    setText(json, "message", step.complete ? step.finished.message : "the step did not end");
    json["milliseconds"] = step.finished.took.count();
    json["assertions"] = Json::array();
    for (const AssertionResult& one : step.assertions)
        json["assertions"].push_back(toJson(one));
    for (const OutputCaptured& one : step.outputs)
        json["outputs"].push_back({{"title", one.title}, {"text", one.text}});
    return json;
}

Json toJson(const RunRecord& run) {
    Json json;
    json["scenario"] = run.started.scenario;
    json["file"] = run.started.file;
    setText(json, "description", run.started.description);
    setText(json, "startedAt", run.started.startedAt);
    setText(json, "tier", run.tier.tier);
    setText(json, "tierReason", run.tier.reason);
    json["outcome"] = name(run.outcome());
    setText(json, "message", run.complete ? run.finished.message : "the run ended without a verdict");
    json["milliseconds"] = run.finished.took.count();
    if (run.finished.simulated.count() >= 0)
        json["simulatedMilliseconds"] = run.finished.simulated.count();
    for (const ProblemFound& one : run.problems)
        json["problems"].push_back(toJson(one));
    json["steps"] = Json::array();
    for (const StepRecord& one : run.steps)
        json["steps"].push_back(toJson(one));
    return json;
}

} // namespace

void writeJson(std::ostream& out, const Record& record) {
    Json json;
    json["apiVersion"] = "rdmalab.io/v1alpha1";
    json["kind"] = "Report";
    json["summary"] = {
        {"exitCode", record.exitCode()}, {"scenarios", toJson(record.scenarios())}, {"assertions", toJson(record.assertions())}};
    json["runs"] = Json::array();
    for (const auto& run : record.runs())
        json["runs"].push_back(toJson(run.second));
    out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

} // namespace rdmalab::report
