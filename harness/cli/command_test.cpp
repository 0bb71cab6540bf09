// The command as a user or a CI job meets it: exit codes, messages, report files, and what it does without root.
#include "harness/sandbox/child_process.h"
#include "harness/scenario/testing_folder.h"
#include "util/syscall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

namespace rdmalab::harness {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr unsigned nobody = 65534;

// The node's name decides: only n1 exists. `extra` are further keys of spec.
std::string scenarioText(const std::string& wanted, const std::string& extra = "") {
    return "apiVersion: rdmalab.io/v1alpha1\n"
           "kind: Scenario\n"
           "metadata: {name: small}\n"
           "spec:\n" +
           extra +
           "  nodes:\n"
           "    - names: [n1]\n"
           "  steps:\n"
           "    - name: the node is there\n"
           "      assert:\n"
           "        - {apiVersion: v1, kind: Node, metadata: {name: " +
           wanted + "}}\n";
}

class Command : public testing::Test {
protected:
    Command() {
        holds_ = write("holds.yaml", scenarioText("n1"));
        fails_ = write("fails.yaml", scenarioText("n2"));
        // A bracket is never closed.
        broken_ =
            write("broken.yaml", "apiVersion: rdmalab.io/v1alpha1\nkind: Scenario\nmetadata: {name: small\nspec:\n  nodes: []\n");
        leftOut_ = write("left-out.yaml", scenarioText("n1", "  tiers: [netns]\n  tiersReason: only processes show it\n"));
    }

    std::string write(const std::string& name, const std::string& text) const { return folder_.write(name, text); }
    std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

    static ProcessResult rdmalab(const std::vector<std::string>& args, const std::function<void()>& prepare = {},
                                 const std::string& program = RDMALAB_BINARY_DIR "/rdmalab") {
        ProcessSpec process;
        process.argv = {program};
        process.argv.insert(process.argv.end(), args.begin(), args.end());
        // The limit below forbids the leak checker's own helper process.
        process.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"ASAN_OPTIONS", "detect_leaks=0"}};
        process.prepare = prepare;
        return runProcess(process, {}, 120);
    }

    // Without root; and, when `mayFork` is false, where any attempt to start a process or thread is refused.
    ProcessResult unprivileged(const std::vector<std::string>& args, bool mayFork = true) const {
        const auto prepare = [mayFork] {
            if (::geteuid() == 0) {
                checked("setgroups", ::setgroups(0, nullptr));
                checked("setgid", ::setgid(nobody));
                checked("setuid", ::setuid(nobody));
            }
            const rlimit none{0, 0};
            if (!mayFork)
                checked("setrlimit", ::setrlimit(RLIMIT_NPROC, &none));
        };
        return rdmalab(args, prepare, readableBinary());
    }

    // The build tree may lie where only root can look.
    std::string readableBinary() const {
        if (::geteuid() != 0)
            return RDMALAB_BINARY_DIR "/rdmalab";
        const fs::path copy = folder_.path() / "bin";
        if (!fs::exists(copy)) {
            checked("chmod", ::chmod(folder_.path().c_str(), 0755));
            fs::create_directories(copy / "plugins");
            fs::copy_file(RDMALAB_BINARY_DIR "/rdmalab", copy / "rdmalab");
            fs::copy_file(RDMALAB_BINARY_DIR "/plugins/multus",
                          copy / "plugins/multus"); // doctor only asks whether they are there
            for (const auto& made : {copy, copy / "plugins", copy / "rdmalab", copy / "plugins/multus"})
                checked("chmod", ::chmod(made.c_str(), 0755));
        }
        return (copy / "rdmalab").string();
    }

    scenario::TestingFolder folder_;
    std::string holds_, fails_, broken_, leftOut_;
};

TEST_F(Command, TellsItsVersion) {
    const auto result = rdmalab({"--version"});
    EXPECT_EQ(result.status.code, 0);
    EXPECT_THAT(result.output, ContainsRegex("^rdmalab [0-9]+\\.[0-9]+\\.[0-9]+\n$"));
}

TEST_F(Command, HelpIsNoError) {
    const auto result = rdmalab({"--help"});
    EXPECT_EQ(result.status.code, 0);
    EXPECT_THAT(result.output, AllOf(HasSubstr("run"), HasSubstr("check"), HasSubstr("doctor")));
}

TEST_F(Command, EndsWith0WhenAllHolds) {
    const auto result = rdmalab({"run", "--tier", "model", holds_});
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
    EXPECT_THAT(result.output, HasSubstr("1 scenario: 1 passed"));
}

TEST_F(Command, EndsWith1AndThePlaceWhenAnExpectationFails) {
    const auto result = rdmalab({"run", "--tier", "model", holds_, fails_});
    EXPECT_EQ(result.status.code, 1);
    EXPECT_THAT(result.output, AllOf(HasSubstr(fails_ + ":10:"), HasSubstr("2 scenarios: 1 passed, 1 failed")));
    EXPECT_THAT(result.output, Not(HasSubstr(holds_ + ":10:")));
}

TEST_F(Command, EndsWith2AndThePlaceForABrokenScenario) {
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"run", "--tier", "model", broken_}, {"check", broken_}}) {
        const auto result = rdmalab(args);
        EXPECT_EQ(result.status.code, 2) << args[0];
        EXPECT_THAT(result.output, ContainsRegex("broken\\.yaml:[0-9]+:[0-9]+: error: ")) << args[0];
    }
}

TEST_F(Command, ABrokenScenarioDoesNotKeepOthersFromRunning) {
    const auto result = rdmalab({"run", "--tier", "model", broken_, fails_, holds_});
    EXPECT_EQ(result.status.code, 2) << "worse than a failed expectation";
    EXPECT_THAT(result.output, HasSubstr("1 passed, 1 failed, 1 invalid"));
}

TEST_F(Command, EndsWith2ForWhatMakesNoSense) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
        {{}, "subcommand"},
        {{"play", holds_}, "subcommand is required"},
        {{"run"}, "scenario"},
        {{"run", "--nope", holds_}, "--nope"},
        {{"run", "--tier", "hardware", holds_}, "hardware"},
        {{"run", "/nonexistent/x.yaml"}, "/nonexistent/x.yaml: no such file or folder"},
        {{"check", "/nonexistent/x.yaml"}, "/nonexistent/x.yaml: no such file or folder"},
        {{"check"}, "name a scenario"},
        {{"run", "--tier", "model", holds_, "--report", "junit"}, "expected junit=FILE or json=FILE"},
        {{"run", "--tier", "model", holds_, "--report", "html=x"}, "expected junit=FILE or json=FILE"},
    };
    for (const auto& [args, text] : cases) {
        const auto result = rdmalab(args);
        EXPECT_EQ(result.status.code, 2) << text;
        EXPECT_THAT(result.errors, HasSubstr(text));
    }
}

TEST_F(Command, PlaysTheScenariosOfAFolderInOrder) {
    write("folder/b.yaml", scenarioText("n1"));
    write("folder/deep/a.yaml", scenarioText("n1"));
    write("folder/manifest.yaml", "apiVersion: v1\nkind: Pod\n");
    const auto result = rdmalab({"run", "--tier", "model", path("folder")});
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
    EXPECT_THAT(result.output, HasSubstr("2 scenarios: 2 passed"));
    EXPECT_LT(result.output.find("folder/b.yaml"), result.output.find("folder/deep/a.yaml"));

    fs::create_directory(folder_.path() / "empty");
    const auto none = rdmalab({"run", "--tier", "model", path("empty")});
    EXPECT_EQ(none.status.code, 2);
    EXPECT_THAT(none.errors, HasSubstr("no scenario in this folder"));
}

TEST_F(Command, EndsWith4AndTheReasonWhenEverythingIsSkipped) {
    const auto result = rdmalab({"run", "--tier", "model", leftOut_});
    EXPECT_EQ(result.status.code, 4) << result.output;
    EXPECT_THAT(result.output, HasSubstr("only processes show it"));
    // Skipped beside passed is passed.
    EXPECT_EQ(rdmalab({"run", "--tier", "model", leftOut_, holds_}).status.code, 0);
}

TEST_F(Command, WritesWellFormedReports) {
    const std::string junit = path("report.xml"), json = path("report.json");
    const auto result =
        rdmalab({"run", "--tier", "model", holds_, fails_, leftOut_, broken_, "--report", "junit=" + junit + ",json=" + json});
    EXPECT_EQ(result.status.code, 2);

    pugi::xml_document xml;
    ASSERT_TRUE(xml.load_file(junit.c_str()));
    EXPECT_EQ(xml.select_nodes("/testsuites/testsuite").size(), 4u);
    EXPECT_EQ(xml.select_nodes("//testcase/failure").size(), 1u);
    EXPECT_THAT(xml.select_node("//testcase/failure").node().child_value(), HasSubstr("fails.yaml:10:"));
    EXPECT_GE(xml.select_nodes("//testcase/skipped").size(), 1u);
    EXPECT_GE(xml.select_nodes("//testcase/error").size(), 1u) << "the scenario that cannot be used";

    std::ifstream file(json);
    const auto report = nlohmann::json::parse(file);
    EXPECT_TRUE(report.is_object());
    EXPECT_THAT(report.dump(), AllOf(HasSubstr("fails.yaml"), HasSubstr("broken.yaml"), HasSubstr("only processes show it")));
    for (const auto& entry : fs::directory_iterator(folder_.path()))
        EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".tmp"))) << "no half report is left";
}

TEST_F(Command, TakesReportsBeforeScenarios) {
    const auto result = rdmalab({"run", "--tier", "model", "--report", "junit=" + path("r.xml"), holds_, holds_});
    EXPECT_EQ(result.status.code, 0) << result.errors;
}

TEST_F(Command, EndsWith3WhenAReportCannotBeWritten) {
    const auto result = rdmalab({"run", "--tier", "model", holds_, "--report", "junit=" + path("missing/report.xml")});
    EXPECT_EQ(result.status.code, 3);
    EXPECT_THAT(result.errors, AllOf(HasSubstr(path("missing/report.xml")), HasSubstr("No such file or directory")));
    EXPECT_THAT(result.output, HasSubstr("1 passed")) << "the verdict is told all the same";
}

TEST_F(Command, CheckStartsNothing) {
    const auto result = unprivileged({"check", holds_, fails_, leftOut_}, false);
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
    EXPECT_THAT(result.output, HasSubstr("holds.yaml: ok, 1 steps on 1 nodes"));
    const auto bad = unprivileged({"check", holds_, broken_}, false);
    EXPECT_EQ(bad.status.code, 2);
    EXPECT_THAT(bad.output, AllOf(HasSubstr("holds.yaml: ok"), ContainsRegex("broken\\.yaml:[0-9]+:[0-9]+: error")));
}

TEST_F(Command, CheckPrintsItsLanguageAsSchema) {
    const auto result = rdmalab({"check", "--schema"});
    EXPECT_EQ(result.status.code, 0);
    const auto schema = nlohmann::json::parse(result.output);
    EXPECT_TRUE(schema.contains("$schema"));
}

TEST_F(Command, TheModelNeedsNeitherRootNorProcesses) {
    const auto result = unprivileged({"run", "--tier", "model", holds_}, false);
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
}

TEST_F(Command, DoctorWithoutRootNamesRoot) {
    const auto result = unprivileged({"doctor"});
    EXPECT_EQ(result.status.code, 3);
    EXPECT_THAT(result.output, AllOf(ContainsRegex("FAIL +root +running as user [0-9]+"), HasSubstr("run it with sudo"),
                                     HasSubstr("tier model: available"), HasSubstr("tier netns: not available: root")));
}

TEST_F(Command, AutoWithoutRootFallsBackToTheModelAndSaysWhy) {
    const auto result = unprivileged({"run", holds_});
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
    EXPECT_THAT(result.output, AllOf(HasSubstr("[model]"), HasSubstr("netns is not possible here: root: running as user")));
}

TEST_F(Command, NetnsWithoutRootIsSkippedWithTheReason) {
    const auto result = unprivileged({"run", "--tier", "netns", holds_});
    EXPECT_EQ(result.status.code, 4) << result.output << result.errors;
    EXPECT_THAT(result.output, HasSubstr("root: running as user"));
}

} // namespace
} // namespace rdmalab::harness
