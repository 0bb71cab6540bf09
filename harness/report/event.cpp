#include "harness/report/event.h"

#include <nlohmann/json.hpp>

#include <array>
#include <stdexcept>

namespace rdmalab::report {

using Json = nlohmann::json;

namespace {

constexpr std::array<std::string_view, 5> outcomeNames = {"passed", "failed", "skipped", "error", "invalid"};

constexpr std::array<std::string_view, 9> typeNames = {"scenario",  "tier",    "problem", "step",       "progress",
                                                       "assertion", "stepEnd", "output",  "scenarioEnd"};
static_assert(typeNames.size() == std::variant_size_v<EventBody>);

// The same function walks a struct for writing and for reading, so that neither can forget a field.
class Writer {
public:
    Json json = Json::object();
    void operator()(const char* key, const std::string& value) {
        if (!value.empty())
            json[key] = value;
    }
    void operator()(const char* key, int value) { json[key] = value; }
    void operator()(const char* key, bool value) { json[key] = value; }
    void operator()(const char* key, Outcome value) { json[key] = name(value); }
    void operator()(const char* key, Milliseconds value) { json[key] = value.count(); }
    void operator()(const char* key, const Place& value) {
        if (value.known())
            json[key] = {value.file, value.line, value.column};
    }
};

class Reader {
public:
    explicit Reader(const Json& json) : json_(json) {}
    void operator()(const char* key, std::string& value) const { value = json_.value(key, std::string()); }
    void operator()(const char* key, int& value) const { value = json_.value(key, value); }
    void operator()(const char* key, bool& value) const { value = json_.value(key, value); }
    void operator()(const char* key, Milliseconds& value) const { value = Milliseconds(json_.value(key, value.count())); }
    void operator()(const char* key, Outcome& value) const {
        const std::string word = json_.at(key).get<std::string>();
        for (std::size_t i = 0; i < outcomeNames.size(); ++i) {
            if (word == outcomeNames[i]) {
                value = static_cast<Outcome>(i);
                return;
            }
        }
        throw std::invalid_argument("unknown outcome " + word);
    }
    void operator()(const char* key, Place& value) const {
        if (const auto it = json_.find(key); it != json_.end())
            value = {it->at(0).get<std::string>(), it->at(1).get<int>(), it->at(2).get<int>()};
    }

private:
    const Json& json_;
};

template <typename Body, typename Visitor>
void visitFields(Body& e, Visitor&& field) {
    using T = std::remove_const_t<Body>;
    if constexpr (std::is_same_v<T, ScenarioStarted>) {
        field("scenario", e.scenario);
        field("file", e.file);
        field("description", e.description);
        field("startedAt", e.startedAt);
        field("steps", e.steps);
    } else if constexpr (std::is_same_v<T, TierChosen>) {
        field("tier", e.tier);
        field("reason", e.reason);
    } else if constexpr (std::is_same_v<T, ProblemFound>) {
        field("place", e.place);
        field("warning", e.warning);
        field("message", e.message);
        field("expected", e.expected);
        field("found", e.found);
        field("hint", e.hint);
    } else if constexpr (std::is_same_v<T, StepStarted>) {
        field("step", e.step);
        field("name", e.name);
        field("kind", e.kind);
        field("place", e.place);
    } else if constexpr (std::is_same_v<T, ProgressLine>) {
        field("text", e.text);
    } else if constexpr (std::is_same_v<T, AssertionResult>) {
        field("step", e.step);
        field("outcome", e.outcome);
        field("place", e.place);
        field("what", e.what);
        field("message", e.message);
        field("expected", e.expected);
        field("found", e.found);
        field("hint", e.hint);
    } else if constexpr (std::is_same_v<T, StepFinished>) {
        field("step", e.step);
        field("outcome", e.outcome);
        field("message", e.message);
        field("took", e.took);
    } else if constexpr (std::is_same_v<T, OutputCaptured>) {
        field("step", e.step);
        field("title", e.title);
        field("text", e.text);
    } else {
        static_assert(std::is_same_v<T, ScenarioFinished>);
        field("outcome", e.outcome);
        field("message", e.message);
        field("took", e.took);
        field("simulated", e.simulated);
    }
}

template <std::size_t... I>
EventBody readBody(std::size_t index, const Json& json, std::index_sequence<I...>) {
    EventBody body;
    (void)((I == index && (visitFields(body.emplace<I>(), Reader(json)), true)) || ...);
    return body;
}

} // namespace

std::string_view name(Outcome outcome) {
    return outcomeNames[static_cast<std::size_t>(outcome)];
}

std::string toLine(const Event& event) {
    Writer writer;
    std::visit([&](const auto& body) { visitFields(body, writer); }, event.body);
    writer.json["run"] = event.run;
    writer.json["type"] = typeNames[event.body.index()];
    return writer.json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Event fromLine(std::string_view line) {
    try {
        const Json json = Json::parse(line);
        const std::string type = json.at("type").get<std::string>();
        for (std::size_t i = 0; i < typeNames.size(); ++i) {
            if (type == typeNames[i])
                return {json.at("run").get<int>(), readBody(i, json, std::make_index_sequence<typeNames.size()>())};
        }
        throw std::invalid_argument("unknown type of event " + type);
    } catch (const Json::exception& e) {
        throw std::invalid_argument(std::string("not an event: ") + e.what());
    }
}

} // namespace rdmalab::report
