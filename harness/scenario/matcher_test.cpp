#include "harness/scenario/matcher.h"

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/yaml_tree.h"
#include "harness/scenario/yaml_value.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace rdmalab::scenario {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

PlacedJson yaml(const std::string& text) {
    Diagnostics diagnostics;
    const auto documents = parseYaml(text, "f.yaml", diagnostics);
    EXPECT_FALSE(diagnostics.anyError());
    return documents.empty() ? PlacedJson() : toJson(*documents.at(0), diagnostics);
}

std::vector<std::string> mismatches(const std::string& expected, const std::string& actual) {
    std::vector<std::string> out;
    for (const Mismatch& one : matchPartial(yaml(expected), Json::parse(actual)))
        out.push_back(one.place.str() + ' ' + one.str());
    return out;
}

const std::string pod = R"({"kind": "Pod", "metadata": {"name": "a", "annotations": {"k8s.v1.cni.cncf.io/network-status":
    "[{\"name\": \"kube-system/x\", \"ips\": [\"172.81.0.101\"]}]"}}, "spec": {"num": 3, "f": 1.0, "empty": null,
    "list": ["a", "b"], "objects": [{"x": 1, "y": 1}, {"x": 2}]}, "status": {"podIP": "172.81.0.101/16", "count": "12"}})";

TEST(Matcher, IgnoresWhatWasNotAskedFor) {
    EXPECT_THAT(mismatches("{kind: Pod, spec: {num: 3, f: 1}}", pod), IsEmpty());
}

TEST(Matcher, SaysWhereWhatAndWhatInstead) {
    EXPECT_THAT(mismatches("kind: Node\nspec:\n  num: \"3\"\n  none: {x: 1}\nstatus: [a]\n", pod),
                ElementsAre(R"(f.yaml:1:1 kind: expected "Node", found "Pod")", R"(f.yaml:3:3 spec.num: expected "3", found 3)",
                            R"(f.yaml:4:3 spec.none: expected {"x":1}, found nothing)",
                            R"(f.yaml:5:1 status: expected ["a"], found {"count":"12","podIP":"172.81.0.101/16"})"));
}

TEST(Matcher, NamesKeysWithDotsInBrackets) {
    EXPECT_EQ(matchPartial(yaml("{a: {spidernet.io/hca: \"1\"}}"), Json::parse(R"({"a": {}})")).at(0).path,
              "a[spidernet.io/hca]");
}

TEST(Matcher, ComparesListsInFullAndInOrder) {
    EXPECT_THAT(mismatches("{spec: {list: [a, b], objects: [{x: 1}, {x: 2}]}}", pod), IsEmpty());
    EXPECT_THAT(mismatches("{spec: {list: [b, a]}}", pod), ElementsAre(R"(f.yaml:1:16 spec.list[0]: expected "b", found "a")",
                                                                       R"(f.yaml:1:19 spec.list[1]: expected "a", found "b")"));
    EXPECT_THAT(mismatches("{spec: {list: [a]}}", pod),
                ElementsAre(R"(f.yaml:1:9 spec.list: expected 1 items: ["a"], found 2 items: ["a","b"])"));
}

TEST(Matcher, NullIsNoKeyOrNull) {
    EXPECT_THAT(mismatches("{spec: {empty: null, none: ~}}", pod), IsEmpty());
    EXPECT_THAT(mismatches("{spec: {num: null}}", pod),
                ElementsAre("f.yaml:1:9 spec.num: expected null, or no such key, found 3"));
}

struct OperatorCase {
    std::string expected;
    bool good;
};

class Operators : public testing::TestWithParam<OperatorCase> {};

TEST_P(Operators, Hold) {
    EXPECT_EQ(mismatches(GetParam().expected, pod).empty(), GetParam().good) << GetParam().expected;
}

INSTANTIATE_TEST_SUITE_P(
    Table, Operators,
    testing::Values(
        OperatorCase{"{kind: {$contains: od}}", true}, OperatorCase{"{kind: {$contains: x}}", false},
        OperatorCase{"{spec: {list: {$contains: b}}}", true}, OperatorCase{"{spec: {list: {$contains: [b, c]}}}", false},
        OperatorCase{"{spec: {objects: {$contains: [{x: 2}]}}}", true}, OperatorCase{"{spec: {num: {$contains: 3}}}", false},
        OperatorCase{"{spec: {list: {$notContains: c}}}", true}, OperatorCase{"{kind: {$notContains: o}}", false},
        OperatorCase{"{none: {$notContains: o}}", false}, OperatorCase{"{kind: {$matches: '^P\\w+$'}}", true},
        OperatorCase{"{kind: {$matches: '^o'}}", false}, OperatorCase{"{spec: {num: {$matches: '3'}}}", false},
        OperatorCase{"{spec: {num: {$in: [1, 3]}}}", true}, OperatorCase{"{spec: {num: {$in: [1, \"3\"]}}}", false},
        OperatorCase{"{status: {podIP: {$range: 172.81.0.100-172.81.0.120}}}", true},
        OperatorCase{"{status: {podIP: {$range: 172.81.0.102-172.81.0.120}}}", false},
        OperatorCase{"{status: {podIP: {$range: \"::-ffff::\"}}}", false}, OperatorCase{"{spec: {num: {$gte: 3}}}", true},
        OperatorCase{"{status: {count: {$gte: 3}}}", true}, OperatorCase{"{status: {count: {$lte: 3}}}", false},
        OperatorCase{"{kind: {$gte: 3}}", false}, OperatorCase{"{none: {$absent: true}}", true},
        OperatorCase{"{kind: {$absent: true}}", false}, OperatorCase{"{none: {$absent: false}}", false},
        OperatorCase{"{spec: {list: {$length: 2}, objects: {$length: 2}}}", true}, OperatorCase{"{kind: {$length: 4}}", false},
        OperatorCase{"{kind: {$not: Node}}", true}, OperatorCase{"{kind: {$not: {$matches: P}}}", false},
        OperatorCase{"{metadata: {annotations: {k8s.v1.cni.cncf.io/network-status: {$json: [{name: kube-system/x}]}}}}", true},
        OperatorCase{"{metadata: {annotations: {k8s.v1.cni.cncf.io/network-status: {$json: [{name: y}]}}}}", false},
        OperatorCase{"{kind: {$json: {}}}", false}));

TEST(Matcher, LooksIntoJsonTextAndSaysWhere) {
    EXPECT_THAT(mismatches("{a: {$json: {b: 1}}}", R"({"a": "{\"b\": 2}"})"),
                ElementsAre("f.yaml:1:14 a(json).b: expected 1, found 2"));
}

TEST(Matcher, CutsLongValuesAndSurvivesBadUtf8) {
    Json actual;
    actual["a"] = std::string(10000, 'x') + "\xff";
    const Mismatch one = matchPartial(yaml("{a: b}"), actual).at(0);
    EXPECT_LT(one.found.size(), 500U);
}

TEST(Matcher, SurvivesJsonThatIsNestedWithoutEnd) {
    Json actual;
    actual["a"] = std::string(200000, '[') + std::string(200000, ']');
    EXPECT_EQ(matchPartial(yaml("{a: {$json: {b: 1}}}"), actual).size(), 1U);
}

TEST(Matcher, AListOfTheSameItemMatchesByValueNotByCount) {
    EXPECT_THAT(mismatches("{spec: {list: {$contains: [b, b]}}}", pod), IsEmpty()) << "$contains is about presence";
}

TEST(TextExpectations, HoldAllClauses) {
    using Op = TextExpectation::Op;
    const TextExpectation expected{{{Op::contains, "ACTIVE", {"f", 1, 1}},
                                    {Op::notContains, "DOWN", {"f", 2, 1}},
                                    {Op::matches, "^link \\w+/1", {"f", 3, 1}},
                                    {Op::equals, "x", {"f", 4, 1}}}};
    std::vector<std::string> found;
    for (const Mismatch& one : matchText(expected, "first\nlink mlx5_0/1 state DOWN\n", "stdout"))
        found.push_back(one.place.str() + ' ' + one.str());
    EXPECT_THAT(
        found,
        ElementsAre(R"(f:1:1 stdout: expected text that contains "ACTIVE", found "first\nlink mlx5_0/1 state DOWN\n")",
                    R"(f:2:1 stdout: expected text that does not contain "DOWN", found "first\nlink mlx5_0/1 state DOWN\n")",
                    R"(f:4:1 stdout: expected "x", found "first\nlink mlx5_0/1 state DOWN\n")"));
    EXPECT_THAT(matchText({{{Op::equals, "a b\n", {}}}}, "a b", "stdout"), IsEmpty());
}

// ---- YAML as kubectl types it ----------------------------------------------------------------------------------------------

TEST(YamlValue, IsTypedAsKubectlDoes) {
    EXPECT_EQ(
        yaml(R"(
s: [abc, "1", '2', !!str 3, 0000:af:00.0, 10.0.0.1, 2024-01-01, 1_2_x, -, 0x, 1.2.3, 99999999999999999999x]
i: [1, -1, +5, 010, 0x1F, 0b11, 0o17, 1_000, 1e3, 1.0, 18446744073709551615]
f: [1.5, -.5, 1e-3, 18446744073709551616.5]
b: [yes, No, on, OFF, y, N, True, false]
nil: [~, null, Null, , ""]
on: 1
1: 2
"on ": 3
t: |
  text: 1
)")
            ->dump(),
        R"({"1":2,"b":[true,false,true,false,true,false,true,false],"f":[1.5,-0.5,0.001,1.8446744073709552e+19],)"
        R"("i":[1,-1,5,8,31,3,15,1000,1000,1,18446744073709551615],"nil":[null,null,null,null,""],"on ":3,)"
        R"("s":["abc","1","2","3","0000:af:00.0","10.0.0.1","2024-01-01","1_2_x","-","0x","1.2.3","99999999999999999999x"],)"
        R"("t":"text: 1\n","true":1})");
}

TEST(PlacedJson, FindsTheNearestPlaceAndParts) {
    const PlacedJson whole = yaml("a:\n  b/c: [x, {y: 1}]\n");
    EXPECT_EQ(whole.placeOf("/a/b~1c/1/y").str(), "f.yaml:2:12");
    EXPECT_EQ(whole.placeOf("/a/b~1c/9/z").str(), "f.yaml:2:3");
    EXPECT_EQ(whole.at("/a/b~1c/1").placeOf("/y").str(), "f.yaml:2:12");
    EXPECT_EQ(PlacedJson::unplaced(1).place().str(), "");
}

} // namespace
} // namespace rdmalab::scenario
