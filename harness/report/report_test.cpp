#include "harness/report/file_reporters.h"
#include "harness/report/github_reporter.h"
#include "harness/report/terminal_reporter.h"
#include "harness/report/text.h"
#include "util/syscall.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace rdmalab::report {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

// A run that fails, one that is skipped, a file that is bad, and a lab that dies.
std::vector<Event> story() {
    return {
        {1, ScenarioStarted{"shared", "s/shared.yaml", "", "2026-01-01T00:00:00Z", 3}},
        {1, TierChosen{"model", "no root"}},
        {1, StepStarted{1, "apply a.yaml", "apply", {"s/shared.yaml", 10, 7}}},
        {1, ProgressLine{"waiting for 2 pods"}},
        {1, StepFinished{1, Outcome::passed, "", 12ms}},
        {1, StepStarted{2, "assert Node n1", "assert", {"s/shared.yaml", 12, 7}}},
        {1, AssertionResult{2, Outcome::passed, {"s/shared.yaml", 13, 9}, "Node n0", "", "", "", ""}},
        {1, AssertionResult{2,
                            Outcome::failed,
                            {"s/shared.yaml", 14, 9},
                            "Node n1 <&>",
                            "allocatable differs",
                            "\"500\"",
                            "\"0\"",
                            "rdmalab why n1"}},
        {1, AssertionResult{2, Outcome::skipped, {"s/shared.yaml", 15, 9}, "rdma link", "not on this tier", "", "", ""}},
        {1, OutputCaptured{2, "log of p", "evil \x1b[2J ]]> \xff end\nsecond\n"}},
        {1, StepFinished{2, Outcome::failed, "1 of 3 failed", 1420ms}},
        {1, ScenarioFinished{Outcome::failed, "", 1500ms, 90000ms}},
        {2, ScenarioStarted{"sriov", "s/sriov.yaml", "", "", 1}},
        {2, ScenarioFinished{Outcome::skipped, "needs rxe", 0ms, -1ms}},
        {3, ScenarioStarted{"bad", "s/bad.yaml", "", "", 0}},
        {3, ProblemFound{{"s/bad.yaml", 3, 5}, false, "unknown key 'nodse'", "nodes or steps", "", "did you mean 'nodes'?"}},
        {3, ScenarioFinished{Outcome::invalid, "1 problem", 0ms, -1ms}},
        {4, ScenarioStarted{"dead", "s/dead.yaml", "", "", 2}},
        {4, StepStarted{1, "apply b.yaml", "apply", {"s/dead.yaml", 9, 7}}},
    };
}

Record recorded() {
    Record record;
    for (const Event& event : story())
        record.handle(event);
    return record;
}

TEST(Events, CrossAPipeUnchanged) {
    for (const Event& event : story()) {
        const std::string line = toLine(event);
        EXPECT_EQ(line.find('\n'), std::string::npos);
        const Event back = fromLine(line);
        EXPECT_EQ(back.run, event.run);
        EXPECT_EQ(back.body.index(), event.body.index());
        EXPECT_EQ(toLine(back), line);
    }
    const auto failed = std::get<AssertionResult>(fromLine(toLine(story()[7])).body);
    EXPECT_EQ(failed.place.str(), "s/shared.yaml:14:9");
    EXPECT_EQ(failed.outcome, Outcome::failed);
    EXPECT_EQ(failed.hint, "rdmalab why n1");
    EXPECT_EQ(std::get<ScenarioFinished>(fromLine(toLine(story()[11])).body).simulated, 90s);
}

TEST(Events, RefuseWhatIsNone) {
    for (const std::string line : {"", "{", "[]", "{}", R"({"type":"step"})", R"({"type":"x","run":1})",
                                   R"({"type":"stepEnd","run":1,"outcome":"fine"})", R"({"type":"step","run":1,"place":[1]})"})
        EXPECT_THROW(fromLine(line), std::invalid_argument) << line;
}

TEST(Record, CountsAndChoosesTheExitCode) {
    const Record record = recorded();
    EXPECT_EQ(record.scenarios().failed, 1);
    EXPECT_EQ(record.scenarios().skipped, 1);
    EXPECT_EQ(record.scenarios().invalid, 1);
    EXPECT_EQ(record.scenarios().errors, 1) << "a run without a verdict";
    EXPECT_EQ(record.assertions().passed, 1);
    EXPECT_EQ(record.exitCode(), 2);

    const auto code = [](std::vector<Outcome> outcomes) {
        Record one;
        int run = 0;
        for (const Outcome outcome : outcomes)
            one.handle({run++, ScenarioFinished{outcome, "", 0ms, -1ms}});
        return one.exitCode();
    };
    EXPECT_EQ(code({Outcome::passed, Outcome::skipped}), 0);
    EXPECT_EQ(code({Outcome::skipped, Outcome::skipped}), 4);
    EXPECT_EQ(code({Outcome::passed, Outcome::error}), 3);
    EXPECT_EQ(code({Outcome::failed, Outcome::error}), 1);
    EXPECT_EQ(code({Outcome::failed, Outcome::invalid}), 2);
}

TEST(Junit, IsWellFormedAndAddsUp) {
    std::ostringstream out;
    writeJunit(out, recorded());
    pugi::xml_document document;
    const auto parsed = document.load_string(out.str().c_str());
    ASSERT_TRUE(parsed) << parsed.description() << '\n' << out.str();
    const pugi::xml_node root = document.child("testsuites");
    int tests = 0, failures = 0, errors = 0, skipped = 0;
    for (const pugi::xml_node suite : root.children("testsuite")) {
        int cases = 0, bad = 0, broken = 0, passedOver = 0;
        for (const pugi::xml_node one : suite.children("testcase")) {
            ++cases;
            bad += one.child("failure") ? 1 : 0;
            broken += one.child("error") ? 1 : 0;
            passedOver += one.child("skipped") ? 1 : 0;
        }
        EXPECT_EQ(suite.attribute("tests").as_int(), cases);
        EXPECT_EQ(suite.attribute("failures").as_int(), bad);
        EXPECT_EQ(suite.attribute("errors").as_int(), broken);
        EXPECT_EQ(suite.attribute("skipped").as_int(), passedOver);
        tests += cases;
        failures += bad;
        errors += broken;
        skipped += passedOver;
    }
    EXPECT_EQ(root.attribute("tests").as_int(), tests);
    EXPECT_EQ(failures, 1);
    EXPECT_EQ(errors, 2) << "the bad file and the dead lab, once each";
    EXPECT_EQ(skipped, 1);
    EXPECT_EQ(root.attribute("failures").as_int(), failures);
    EXPECT_EQ(root.attribute("errors").as_int(), errors);

    const pugi::xml_node failed = document.select_node("//testcase[failure]").node();
    EXPECT_STREQ(failed.attribute("name").value(), "2 assert Node n1");
    EXPECT_STREQ(failed.attribute("classname").value(), "shared.model");
    EXPECT_STREQ(failed.attribute("time").value(), "1.420");
    EXPECT_STREQ(failed.attribute("line").value(), "12");
    EXPECT_STREQ(failed.child("failure").attribute("message").value(), "1 of 3 failed");
    EXPECT_THAT(failed.child("failure").text().get(),
                HasSubstr("s/shared.yaml:14:9: Node n1 <&>: allocatable differs\n  expected: \"500\"\n  found: \"0\"\n  "
                          "next: rdmalab why n1"));
    EXPECT_THAT(failed.child("system-out").text().get(), HasSubstr("skipped: s/shared.yaml:15:9: rdma link: not on this tier"));
    EXPECT_THAT(failed.child("system-out").text().get(), HasSubstr("evil \\x1b[2J ]]> \\xff end"));
    EXPECT_STREQ(document.select_node("//skipped").node().attribute("message").value(), "needs rxe");
}

TEST(JsonReport, HoldsEverything) {
    std::ostringstream out;
    writeJson(out, recorded());
    const auto json = nlohmann::json::parse(out.str());
    EXPECT_EQ(json.at("summary").at("exitCode"), 2);
    EXPECT_EQ(json.at("runs").size(), 4U);
    EXPECT_EQ(json.at("/runs/0/simulatedMilliseconds"_json_pointer), 90000);
    EXPECT_EQ(json.at("/runs/0/steps/1/assertions/1/line"_json_pointer), 14);
    EXPECT_EQ(json.at("/runs/2/problems/0/hint"_json_pointer), "did you mean 'nodes'?");
    EXPECT_EQ(json.at("/runs/3/outcome"_json_pointer), "error");
    EXPECT_EQ(json.at("/runs/3/steps/0/message"_json_pointer), "the step did not end");
}

std::string onTerminal(TerminalOptions options) {
    std::ostringstream out;
    TerminalReporter reporter(out, options);
    for (const Event& event : story())
        reporter.handle(event);
    reporter.finish();
    return out.str();
}

TEST(Terminal, PlainOutputIsLinesOnly) {
    const std::string text = onTerminal({});
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\r")));
    EXPECT_EQ(text, R"(shared [model] s/shared.yaml
  tier model: no root
  ok   apply a.yaml (12 ms)
    FAIL Node n1 <&>
         at s/shared.yaml:14:9
         reason: allocatable differs
         expected: "500"
         found: "0"
         next: rdmalab why n1
    skip rdma link
         at s/shared.yaml:15:9
         reason: not on this tier
    -- log of p
    | evil \x1b[2J ]]> \xff end
    | second
  FAIL assert Node n1 (1.42 s): 1 of 3 failed
  failed in 1.50 s, 1m30s of simulated time
sriov s/sriov.yaml
  skipped in 0 ms: needs rxe
s/bad.yaml:3:5: error: unknown key 'nodse'
  expected: nodes or steps
  hint: did you mean 'nodes'?
bad s/bad.yaml
  invalid in 0 ms: 1 problem
ERR  dead: the run ended without a verdict

4 scenarios: 0 passed, 1 failed, 1 skipped, 1 in error, 1 invalid
3 expectations: 1 passed, 1 failed, 1 skipped
)");
}

TEST(Terminal, LiveLineIsRedrawnAndGoesAway) {
    const std::string text = onTerminal({.live = true, .colour = false, .verbose = false, .width = 40});
    EXPECT_THAT(text, HasSubstr("\r\x1b[Kshared [model] 1/3 waiting for 2 pods\r\x1b[K"));
    EXPECT_THAT(text, Not(HasSubstr("\x1b[2J"))) << "a pod's output must not drive the terminal";
    EXPECT_THAT(text, Not(HasSubstr("\x1b[3")));
}

TEST(Terminal, ColourIsOptional) {
    EXPECT_THAT(onTerminal({.live = false, .colour = true}), HasSubstr("\x1b[31mFAIL\x1b[0m"));
}

TEST(Terminal, VerboseShowsWhatPassed) {
    EXPECT_THAT(onTerminal({.live = false, .colour = false, .verbose = true}), HasSubstr("    ... waiting for 2 pods\n"));
    EXPECT_THAT(onTerminal({.live = false, .colour = false, .verbose = true}), HasSubstr("    ok   Node n0\n"));
}

TEST(Github, PointsAtTheLine) {
    std::ostringstream out;
    GithubReporter reporter(out);
    for (const Event& event : story())
        reporter.handle(event);
    EXPECT_EQ(out.str(), "::error file=s/shared.yaml,line=14,col=9,title=shared [model]::Node n1 <&>: allocatable "
                         "differs%0Aexpected: \"500\"%0Afound: "
                         "\"0\"%0Anext: rdmalab why n1\n"
                         "::notice file=s/sriov.yaml,title=sriov::skipped: needs rxe\n"
                         "::error file=s/bad.yaml,line=3,col=5,title=bad::unknown key 'nodse'%0Aexpected: nodes or steps%0Anext: "
                         "did you mean 'nodes'?\n");
}

TEST(Github, CannotBeMadeToSpeakCommands) {
    std::ostringstream out;
    GithubReporter reporter(out);
    reporter.handle({1, ScenarioStarted{"a,b:c", "f", "", "", 1}});
    reporter.handle({1, AssertionResult{1, Outcome::failed, {"x,y.yaml", 1, 2}, "100%", "\n::set-env name=X::y", "", "", ""}});
    EXPECT_EQ(out.str(), "::error file=x%2Cy.yaml,line=1,col=2,title=a%2Cb%3Ac::100%25: %0A::set-env name=X::y\n");
}

TEST(Github, SummaryIsATableAndTheFailures) {
    std::ostringstream out;
    writeJobSummary(out, recorded());
    EXPECT_THAT(out.str(), HasSubstr("| shared | model | failed | 1.50 s |  |\n"));
    EXPECT_THAT(out.str(), HasSubstr("- **s/shared.yaml:14:9** Node n1 &lt;&>: allocatable differs<br>expected: \"500\""));
}

TEST(FileReporter, WritesTheWholeFileOrSaysWhyNot) {
    std::string folder = (std::filesystem::temp_directory_path() / "rdmalab-report-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    FileReporter reporter(folder + "/r.xml", writeJunit);
    for (const Event& event : story())
        reporter.handle(event);
    reporter.finish();
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "no temporary file stays";
    pugi::xml_document document;
    EXPECT_TRUE(document.load_file((folder + "/r.xml").c_str()));
    FileReporter lost(folder + "/none/r.xml", writeJunit);
    EXPECT_THROW(lost.finish(), SystemError);
    std::filesystem::remove_all(folder);
}

TEST(Text, IsMadeHarmless) {
    EXPECT_EQ(printable("a\r\nb\tc\x07\xc3\xa4\xe2\x80\xae"), "a\nb\tc\\x07\xc3\xa4\\xe2\\x80\\xae");
    EXPECT_EQ(oneLine("abcdefghij", 6), "abc...");
    EXPECT_EQ(oneLine("abc\ndef", 7), "abc def");
    EXPECT_EQ(duration(185000ms), "3m05s");
}

} // namespace
} // namespace rdmalab::report
