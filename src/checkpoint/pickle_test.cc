#include "checkpoint/pickle.h"

#include <gtest/gtest.h>

#include <string>

namespace diptych {
namespace {

using namespace std::string_literals;

ByteSpan Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string PickleError(const std::string& program) {
  return Pickle::Read(Bytes(program), "m").status().ToString();
}

// The value as Python would print it, but that calls are written as "module.name(args)[items]{state}".
std::string Show(const PickleNode& node, int depth = 8) {
  if (depth == 0) return "...";
  std::string items;
  for (const PickleNode* item : node.items) items += (items.empty() ? "" : ",") + Show(*item, depth - 1);
  switch (node.kind) {
    case PickleKind::kNone: return "None";
    case PickleKind::kBool: return node.integer != 0 ? "True" : "False";
    case PickleKind::kInt: return std::to_string(node.integer);
    case PickleKind::kLong: return "long" + std::to_string(node.text.size());
    case PickleKind::kFloat: return "float";
    case PickleKind::kString: return "'" + std::string(node.text) + "'";
    case PickleKind::kBytes: return "b'" + std::string(node.text) + "'";
    case PickleKind::kTuple: return "(" + items + ")";
    case PickleKind::kList: return "[" + items + "]";
    case PickleKind::kSet: return "set(" + items + ")";
    case PickleKind::kDict: return "{" + items + "}";
    case PickleKind::kGlobal: return std::string(node.text) + "." + std::string(node.name);
    case PickleKind::kPersistent: return "at" + Show(*node.args, depth - 1);
    case PickleKind::kObject: break;
  }
  std::string text = Show(*node.callable, depth - 1) + Show(*node.args, depth - 1);
  if (!items.empty()) text += "[" + items + "]";
  return node.state == nullptr ? text : text + "{" + Show(*node.state, depth - 1) + "}";
}

std::string ShowPickle(const std::string& program) {
  const Result<Pickle> pickle = Pickle::Read(Bytes(program), "m");
  return pickle.ok() ? Show(pickle->root()) : pickle.status().ToString();
}

TEST(Pickle, EveryValueIsRead) {
  EXPECT_EQ(ShowPickle("\x80\x02N."), "None");
  EXPECT_EQ(ShowPickle("(\x88\x89t."), "(True,False)");
  EXPECT_EQ(ShowPickle("(K\xffM\xff\xffJ\xfe\xff\xff\xffG12345678t."), "(255,65535,-2,float)");
  EXPECT_EQ(ShowPickle("(\x8a\x00\x8a\x01\xff\x8a\x02\xff\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80t."s),
            "(0,-1,255,-9223372036854775808)");
  EXPECT_EQ(ShowPickle("\x8a\x09"s + "123456789."), "long9");
  EXPECT_EQ(ShowPickle("\x8b\x01\x00\x00\x00\x7f."s), "127");
  EXPECT_EQ(ShowPickle("(X\x02\0\0\0abU\x01zT\x01\0\0\0y\x8c\x01x\x8d\x01\0\0\0\0\0\0\0wt."s),
            "('ab','z','y','x','w')");
  EXPECT_EQ(ShowPickle("(C\x01zB\x01\0\0\0y\x8e\x01\0\0\0\0\0\0\0x\x96\x01\0\0\0\0\0\0\0wt."s),
            "(b'z',b'y',b'x',b'w')");
  EXPECT_EQ(ShowPickle("K\x01K\x02K\x03\x87."), "(1,2,3)");
  EXPECT_EQ(ShowPickle("K\x01K\x02\x86\x85."), "((1,2))");
  EXPECT_EQ(ShowPickle("](K\x01K\x02"s + "eK\x03"s + "a."), "[1,2,3]");
  EXPECT_EQ(ShowPickle("}(K\x01NuK\x02Ns."), "{1,None,2,None}");
  EXPECT_EQ(ShowPickle("\x8f(K\x01\x90."), "set(1)");
  EXPECT_EQ(ShowPickle("(K\x01\x91."), "set(1)");
}

TEST(Pickle, ImportsAndCallsAreOnlyWrittenDown) {
  EXPECT_EQ(ShowPickle("cos\nsystem\nX\x02\0\0\0ls\x85R."s), "os.system('ls')");
  EXPECT_EQ(ShowPickle("\x8c\x02os\x8c\x06system\x93."), "os.system");
  EXPECT_EQ(ShowPickle("ca\nB\n)\x81}K\x01Nsb."), "a.B(){{1,None}}");
  EXPECT_EQ(ShowPickle("ca\nB\n)}\x92."), "a.B()");
  EXPECT_EQ(ShowPickle("ca\nB\n)RK\x01Ns."), "a.B()[1,None]");
  EXPECT_EQ(ShowPickle("ca\nB\n)RK\x01"s + "a."), "a.B()");  // a list's subclass: what it holds does not matter
  EXPECT_EQ(ShowPickle("K\x07\x85Q."), "at(7)");
}

TEST(Pickle, TheMemoAndTheStack) {
  EXPECT_EQ(ShowPickle("K\x07q\x00h\x00\x86."s), "(7,7)");
  EXPECT_EQ(ShowPickle("K\x07r\x01\0\0\0j\x01\0\0\0\x86."s), "(7,7)");  // Python 2 counts from 1
  EXPECT_EQ(ShowPickle("\x80\x04\x95\x04\0\0\0\0\0\0\0K\x07\x94h\x00\x86."s), "(7,7)");
  EXPECT_EQ(ShowPickle("K\x07"
                       "2\x86."),
            "(7,7)");
  EXPECT_EQ(ShowPickle("K\x07(K\x08K\x09"
                       "1K\x0a"
                       "0."),
            "7");
  EXPECT_EQ(ShowPickle("K\x07(0."), "7");  // a mark is popped too
}

TEST(Pickle, WhatFollowsIsLeftAlone) {
  const std::string two = "K\x01.K\x02.";
  const Result<Pickle> first = Pickle::Read(Bytes(two), "m");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->size(), 3u);
  EXPECT_EQ(first->root().integer, 1);
}

TEST(Pickle, ValuesMayContainThemselves) {
  const std::string cycle = "]q\x00h\x00"s + "a.";
  const Result<Pickle> pickle = Pickle::Read(Bytes(cycle), "m");
  ASSERT_TRUE(pickle.ok());
  EXPECT_EQ(pickle->root().items[0], &pickle->root());
  EXPECT_TRUE(Pickle::Read(Bytes("}q\x00K\x01h\x00s."s), "m").ok());
  EXPECT_TRUE(Pickle::Read(Bytes("ca\nB\n)Rq\x00h\x00"s + "b."), "m").ok());
}

TEST(Pickle, MalformedProgramsAreRefused) {
  const std::string again = "; the file is damaged or incomplete: download it again";
  EXPECT_EQ(PickleError(""), "m: its pickle is cut short, at byte 0 of it" + again);
  EXPECT_EQ(PickleError("X\x05\0\0\0ab"s), "m: its pickle is cut short, at byte 0 of it" + again);
  EXPECT_EQ(PickleError("N\x8d\xff\xff\xff\xff\xff\xff\xff\xff."s),
            "m: its pickle is cut short, at byte 1 of it" + again);
  EXPECT_EQ(PickleError("cab"), "m: its pickle is cut short, at byte 0 of it" + again);
  EXPECT_EQ(PickleError("cab\ncd"), "m: its pickle is cut short, at byte 0 of it" + again);
  EXPECT_EQ(PickleError("\x8b\xff\xff\xff\xff."s), "m: its pickle is cut short, at byte 0 of it" + again);
  EXPECT_EQ(PickleError("."), "m: its pickle ends with 0 values instead of one" + again);
  EXPECT_EQ(PickleError("NN."), "m: its pickle ends with 2 values instead of one" + again);
  EXPECT_EQ(PickleError("N(."), "m: its pickle ends with 1 values instead of one" + again);
  EXPECT_EQ(PickleError("\xff"), "m: its pickle has an invalid opcode, at byte 0 of it" + again);
  for (const char* early : {"0", "2", "q\x01", "\x85", "N\x86", "N(\x85", "N(R",  "R",  "NR", "b",    "Nb",
                            "Q", "a", "]a",    "Ns",   "}Ns",   "\x93",   "\x94", "(e", "(u", "\x81", "NN\x92"}) {
    EXPECT_EQ(PickleError("\x80\x02"s + early + ".").find("m: its pickle takes more values than it has made, at byte"),
              0u)
        << early;
  }
  for (const char* no_mark : {"Nt", "Ne", "Nu", "N\x90", "N1", "N\x91"}) {
    EXPECT_NE(PickleError(no_mark + "."s).find("has no mark where it needs one"), std::string::npos) << no_mark;
  }
  EXPECT_NE(PickleError("}(Nu.").find("has a key without a value"), std::string::npos);
  EXPECT_NE(PickleError("]NNs.").find("sets items of what is no dictionary"), std::string::npos);
  EXPECT_NE(PickleError("}Na.").find("adds values to what is no container of them"), std::string::npos);
  EXPECT_NE(PickleError("NNb.").find("gives a state to what is no object"), std::string::npos);
  EXPECT_NE(PickleError("NN\x93.").find("imports what is not named by strings"), std::string::npos);
  EXPECT_NE(PickleError("h\x07.").find("recalls a value that it never made"), std::string::npos);
  EXPECT_NE(PickleError("Nq\x01h\x00."s).find("recalls a value that it never made"), std::string::npos);
}

TEST(Pickle, WhatIsNotReadSaysSo) {
  for (const char* program : {"I1\n.", "F1\n.", "Vx\n.", "\x82\x01.", "(ia\nb\n.", "\x97."}) {
    EXPECT_EQ(PickleError(program), "m: its pickle has an opcode that is not read here, at byte " +
                                        std::to_string(program[0] == '(' ? 1 : 0) +
                                        " of it; save the model again with torch.save, or as safetensors");
  }
  EXPECT_NE(PickleError("\x80\x06.").find("is of a protocol above 5"), std::string::npos);
}

TEST(Pickle, BombsStaySmall) {
  EXPECT_NE(PickleError("Nr\xff\xff\xff\xff."s).find("under a number that is out of order"), std::string::npos);
  const size_t many = 9'000'000;
  EXPECT_NE(PickleError(std::string(many, ']')).find("has more than 2097152 values or 8388608 opcodes"),
            std::string::npos);
  EXPECT_NE(PickleError("N" + std::string(many, '2')).find("has more than"), std::string::npos);
  EXPECT_NE(PickleError(std::string(many, '(')).find("has more than"), std::string::npos);
  std::string nested(1'000'000, ']');  // destroying it must not recurse either
  nested += std::string(999'999, 'a') + ".";
  EXPECT_EQ(ShowPickle(nested), "[[[[[[[[...]]]]]]]]");
  std::string laughs = "]q\x00"s;  // each list holds the one before twice
  for (int i = 0; i < 100; ++i) laughs += "](h\x00h\x00"s + "eq\x00"s;
  EXPECT_EQ(PickleError(laughs + "\x85."),
            "m: its pickle ends with 101 values instead of one; the file is damaged or "
            "incomplete: download it again");
}

TEST(Pickle, ALongIntegerIsNoNumber) {
  EXPECT_EQ(ShowPickle("\x8a\xff"s + std::string(255, '\x7f') + "."), "long255");
  EXPECT_EQ(ShowPickle("\x8b\x40\x42\x0f\x00"s + std::string(1'000'000, '\x7f') + "."), "long1000000");
}

}  // namespace
}  // namespace diptych
