// Whatever is done to a scenario or its manifests, the loader answers with diagnostics.
#include "harness/scenario/loader.h"
#include "harness/scenario/testing_folder.h"

#include <gtest/gtest.h>

#include <random>

namespace rdmalab::scenario {
namespace {

class Mutation : public testing::TestWithParam<unsigned> {};

std::string mutated(std::string text, std::mt19937& random) {
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    switch (below(5)) {
    case 0:
        text.resize(below(text.size()));
        return text;
    case 1:
        for (std::size_t n = below(8) + 1; n > 0; --n)
            text[below(text.size())] = static_cast<char>(below(256));
        return text;
    case 2: { // structure is what breaks parsers
        constexpr std::string_view special = "{}[]:,-&*!|>'\"%@`#?\n\t $<~=";
        for (std::size_t n = below(8) + 1; n > 0; --n)
            text[below(text.size())] = special[below(special.size())];
        return text;
    }
    case 3: { // a stretch goes elsewhere
        const std::string piece = text.substr(below(text.size()), below(60) + 1);
        return text.insert(below(text.size()), piece);
    }
    default:
        return text.erase(below(text.size()), below(40) + 1);
    }
}

TEST_P(Mutation, NeverCrashes) {
    const TestingFolder folder;
    const std::string path = writeShared(folder);
    std::mt19937 random(GetParam());
    int loaded = 0;
    for (int i = 0; i < 250; ++i) {
        const bool scenarioToo = i % 3 != 0;
        if (scenarioToo)
            folder.write("scenario.yaml", mutated(std::string(sharedScenario), random));
        else
            folder.write("manifests/daemonset.yaml", mutated(std::string(daemonSetManifest), random));
        const LoadResult result = loadScenario(path);
        loaded += result.scenario ? 1 : 0;
        bool error = false;
        for (const Diagnostic& one : result.diagnostics) {
            error = error || one.severity == Severity::error;
            EXPECT_FALSE(one.message.empty());
            EXPECT_TRUE(one.place.known()) << one.str();
        }
        EXPECT_EQ(error, !result.scenario.has_value());
        writeShared(folder);
    }
    RecordProperty("loaded", loaded);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Mutation, testing::Range(1u, 5u));

} // namespace
} // namespace rdmalab::scenario
