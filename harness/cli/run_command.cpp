#include "harness/cli/run_command.h"

#include "harness/cli/machine_check.h"
#include "harness/cli/scenario_files.h"
#include "harness/cli/verdicts.h"
#include "harness/model/model_tier.h"
#include "harness/netns/netns_tier.h"
#include "harness/report/file_reporters.h"
#include "harness/report/github_reporter.h"
#include "harness/report/reporter.h"
#include "harness/report/terminal_reporter.h"
#include "harness/run/runner.h"
#include "harness/sandbox/lab.h"
#include "harness/scenario/loader.h"
#include "sim/clock/event_loop.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <iostream>
#include <optional>

namespace rdmalab::harness {

using report::Event;
using report::Outcome;
using scenario::Scenario;

namespace {

std::string now() {
    const std::time_t time = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&time));
    return text;
}

// What becomes of a tier after its run. A lab's process ends right after it: the kernel takes all there is, and waiting for
// plugins that are still at work would only cost time.
enum class Afterwards { destroy, leave };

// The steps, framed by the tier's life. Emits everything after TierChosen.
void play(const Scenario& scenario, const std::function<std::unique_ptr<Tier>()>& makeTier,
          const std::function<void(report::EventBody)>& emit, Afterwards afterwards) {
    const auto begin = std::chrono::steady_clock::now();
    report::ScenarioFinished finished;
    try {
        auto tier = makeTier();
        Runner runner(scenario, *tier, emit);
        finished.outcome = runner.run();
        finished.message = runner.message();
        if (tier->kind() == scenario::Tier::model)
            finished.simulated = std::chrono::duration_cast<report::Milliseconds>(tier->loop().now());
        if (afterwards == Afterwards::leave)
            static_cast<void>(tier.release());
    } catch (const std::exception& error) {
        finished.outcome = Outcome::error;
        finished.message = error.what();
    }
    finished.took = std::chrono::duration_cast<report::Milliseconds>(std::chrono::steady_clock::now() - begin);
    emit(finished);
}

// Events of the lab come through a pipe, a line each; nothing else of it is needed.
void playInLab(const Scenario& scenario, const std::string& pluginDirectory, int run,
               const std::function<void(const Event&)>& handle) {
    int fds[2];
    checked("pipe", ::pipe2(fds, O_CLOEXEC));
    UniqueFd in(fds[0]), out(fds[1]);
    ChildProcess lab = startLab(pluginDirectory, [&](const LabPlace& place) {
        in.reset();
        ::signal(SIGPIPE, SIG_IGN);
        play(
            scenario, [&] { return makeNetnsTier(scenario, place); },
            [&](report::EventBody body) {
                const std::string line = report::toLine({run, std::move(body)}) + "\n";
                for (std::size_t done = 0; done < line.size();)
                    done += static_cast<std::size_t>(
                        checked("write to the report", ::write(out.get(), line.data() + done, line.size() - done)));
            },
            Afterwards::leave);
        return 0;
    });
    out.reset();
    std::string pending;
    bool finished = false;
    char buffer[65536];
    for (ssize_t got; (got = ::read(in.get(), buffer, sizeof buffer)) != 0;) {
        if (got < 0) {
            if (errno == EINTR)
                continue;
            throw SystemError("read from the lab", errno);
        }
        pending.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
            const Event event = report::fromLine(std::string_view(pending).substr(0, end));
            finished = finished || std::holds_alternative<report::ScenarioFinished>(event.body);
            handle(event);
        }
    }
    const auto status = lab.wait();
    if (!finished) {
        report::ScenarioFinished died;
        died.outcome = Outcome::error;
        died.message = status.signal != 0 ? fmt::format("the lab was ended by signal {}", status.signal)
                                          : fmt::format("the lab ended with status {} before the scenario did", status.code);
        handle({run, died});
    }
}

class Session {
public:
    Session(const RunOptions& options, report::Reporter& reporter) : options_(options), reporter_(reporter) {}

    void run(const std::string& path) {
        auto loaded = scenario::loadScenario(path);
        if (!loaded.scenario) {
            const int run = next_++;
            emit(run, report::ScenarioStarted{path, path, "", now(), 0});
            for (const auto& problem : loaded.diagnostics)
                emit(run, report::ProblemFound{problem.place, problem.severity == scenario::Severity::warning, problem.message,
                                               problem.expected, problem.found, problem.hint});
            emit(run, report::ScenarioFinished{Outcome::invalid, "the scenario cannot be used", {}});
            return;
        }
        const Scenario& scenario = *loaded.scenario;
        if (options_.tier == "all") {
            std::vector<Verdicts> verdicts;
            for (const auto tier : {scenario::Tier::model, scenario::Tier::netns})
                if (auto verdict = runOn(scenario, tier, ""))
                    verdicts.push_back(std::move(*verdict));
            compare(scenario, verdicts);
        } else if (options_.tier == "auto") {
            std::string reason;
            if (scenario.allows(scenario::Tier::netns)) {
                reason = netnsReason();
                if (reason.empty()) {
                    runOn(scenario, scenario::Tier::netns, "");
                    return;
                }
                reason = "netns is not possible here: " + reason;
            } else {
                reason = "the scenario leaves netns out: " + scenario.tiersReason;
            }
            runOn(scenario, scenario::Tier::model, reason);
        } else {
            runOn(scenario, options_.tier == "netns" ? scenario::Tier::netns : scenario::Tier::model, "");
        }
    }

private:
    void emit(int run, report::EventBody body) { reporter_.handle({run, std::move(body)}); }

    const std::string& netnsReason() {
        if (!netnsReason_)
            netnsReason_ = netnsUnavailable(checkMachine(options_.pluginDirectory));
        return *netnsReason_;
    }

    // nullopt when the run was skipped.
    std::optional<Verdicts> runOn(const Scenario& scenario, scenario::Tier tier, const std::string& why) {
        const int run = next_++;
        emit(run, report::ScenarioStarted{scenario.metadata.name, scenario.file, scenario.metadata.description, now(),
                                          static_cast<int>(scenario.steps.size())});
        emit(run, report::TierChosen{std::string(name(tier)), why});
        std::string skip;
        if (!scenario.allows(tier))
            skip = scenario.tiersReason.empty() ? "the scenario leaves this tier out" : scenario.tiersReason;
        else if (tier == scenario::Tier::netns)
            skip = netnsReason();
        if (!skip.empty()) {
            emit(run, report::ScenarioFinished{Outcome::skipped, skip, {}});
            return std::nullopt;
        }
        Verdicts verdicts{std::string(name(tier)), {}};
        const auto handle = [&](const Event& event) {
            verdicts.add(event.body);
            reporter_.handle(event);
        };
        if (tier == scenario::Tier::netns)
            playInLab(scenario, options_.pluginDirectory, run, handle);
        else
            play(
                scenario, [&] { return makeModelTier(scenario); },
                [&](report::EventBody body) {
                    handle({run, std::move(body)});
                },
                Afterwards::destroy);
        return verdicts;
    }

    void compare(const Scenario& scenario, const std::vector<Verdicts>& verdicts) {
        if (verdicts.size() < 2)
            return;
        const int run = next_++;
        emit(run, report::ScenarioStarted{scenario.metadata.name, scenario.file, "agreement of the tiers", now(), 1});
        emit(run, report::TierChosen{"agreement", "verdicts of model and netns compared"});
        emit(run, report::StepStarted{1, "the tiers agree", "assert", scenario.metadata.place});
        const auto begin = std::chrono::steady_clock::now();
        const auto differences = differencesOf(verdicts[0], verdicts[1]);
        for (const auto& difference : differences)
            emit(run, report::AssertionResult{1,
                                              Outcome::failed,
                                              difference.place,
                                              difference.what,
                                              "the tiers disagree",
                                              difference.first,
                                              difference.second,
                                              {}});
        const auto outcome = differences.empty() ? Outcome::passed : Outcome::failed;
        if (differences.empty())
            emit(run, report::AssertionResult{1, Outcome::passed, scenario.metadata.place, "verdicts are equal", {}, {}, {}, {}});
        const auto took = std::chrono::duration_cast<report::Milliseconds>(std::chrono::steady_clock::now() - begin);
        emit(run, report::StepFinished{1, outcome, differences.empty() ? "" : "the tiers disagree", took});
        emit(run, report::ScenarioFinished{outcome, differences.empty() ? "" : "the tiers disagree", took});
    }

    const RunOptions& options_;
    report::Reporter& reporter_;
    int next_ = 1;
    std::optional<std::string> netnsReason_;
};

} // namespace

int runCommand(const RunOptions& options) {
    ::signal(SIGPIPE, SIG_IGN);
    report::Reporters reporters;
    auto terminal = report::TerminalOptions::detect(STDOUT_FILENO);
    terminal.verbose = options.verbose;
    reporters.add(std::make_unique<report::TerminalReporter>(std::cout, terminal));
    if (report::GithubReporter::wanted())
        reporters.add(std::make_unique<report::GithubReporter>(std::cout));
    for (const auto& report : options.reports) {
        const auto equals = report.find('=');
        const std::string kind = report.substr(0, equals), file = equals == std::string::npos ? "" : report.substr(equals + 1);
        if (file.empty() || (kind != "junit" && kind != "json"))
            throw UsageError("--report " + report + ": expected junit=FILE or json=FILE");
        reporters.add(std::make_unique<report::FileReporter>(file, kind == "junit" ? report::writeJunit : report::writeJson));
    }
    struct Tally : report::Reporter {
        report::Record record;
        void handle(const Event& event) override { record.handle(event); }
    };
    auto tally = std::make_unique<Tally>();
    const Tally& result = *tally;
    reporters.add(std::move(tally));

    Session session(options, reporters);
    for (const auto& path : scenarioFiles(options.paths))
        session.run(path);
    const int code = result.record.exitCode();
    reporters.finish();
    return code;
}

} // namespace rdmalab::harness
