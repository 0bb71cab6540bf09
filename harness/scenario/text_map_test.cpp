#include "harness/scenario/text_map.h"

#include "harness/scenario/diagnostic.h"

#include <gmock/gmock.h>

namespace rdmalab::scenario {
namespace {

SubstitutedText substitute(const std::string& text, Diagnostics& diagnostics) {
    return substituteVariables(text, {{"A", "long value"}, {"LINES", "one\ntwo"}, {"_x1", ""}}, "f", diagnostics);
}

std::string substitute(const std::string& text) {
    Diagnostics diagnostics;
    const std::string out = substitute(text, diagnostics).text;
    EXPECT_FALSE(diagnostics.anyError()) << diagnostics.sorted().at(0).str();
    return out;
}

TEST(Variables, AreFilledInAsInAHereDocument) {
    EXPECT_EQ(substitute("$A/${A}/$_x1."), "long value/long value/.");
    EXPECT_EQ(substitute("a\\$A \\\\ \\` \\n"), "a$A \\ ` \\n");
    EXPECT_EQ(substitute("cost: 5$ $1 $"), "cost: 5$ $1 $");
    EXPECT_EQ(substitute("'$A'"), "'long value'") << "quotes mean nothing in a here-document";
}

TEST(Variables, ThatAShellWouldTreatOtherwiseAreErrors) {
    for (const std::string text : {"$(date)", "`date`", "${A:-x}", "${}", "${A", "$B", "${B}"}) {
        Diagnostics diagnostics;
        substitute(text, diagnostics);
        EXPECT_TRUE(diagnostics.anyError()) << text;
    }
}

TEST(Variables, KeepPlaces) {
    Diagnostics diagnostics;
    const SubstitutedText out = substitute("a: $A b\nc: ${LINES} d\ne: \\$f g\n", diagnostics);
    ASSERT_EQ(out.text, "a: long value b\nc: one\ntwo d\ne: $f g\n");
    const auto at = [&](int line, int column) {
        out.map.translate(line, column);
        return std::pair(line, column);
    };
    EXPECT_EQ(at(1, 1), std::pair(1, 1));
    EXPECT_EQ(at(1, 9), std::pair(1, 4)) << "inside the value: where the variable is";
    EXPECT_EQ(at(1, 15), std::pair(1, 7));
    EXPECT_EQ(at(2, 1), std::pair(2, 1));
    EXPECT_EQ(at(3, 2), std::pair(2, 4));
    EXPECT_EQ(at(3, 5), std::pair(2, 13));
    EXPECT_EQ(at(4, 1), std::pair(3, 1));
    EXPECT_EQ(at(4, 7), std::pair(3, 8));
}

TEST(Nearest, FindsSlipsOnly) {
    const std::vector<std::string> keys = {"nodes", "steps", "fabric", "helm"};
    EXPECT_EQ(nearest("nodse", keys), "nodes");
    EXPECT_EQ(nearest("Steps", keys), "steps");
    EXPECT_EQ(nearest("step", keys), "steps");
    EXPECT_EQ(nearest("settings", keys), "");
    EXPECT_EQ(nearest("", keys), "");
}

} // namespace
} // namespace rdmalab::scenario
