import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs stock tools one after the other in one virtual machine, so that a table of command lines does not pay for a
 * start each. Standard input: the number of words, then each word (class, arguments) as length and UTF-8 bytes.
 * Standard output, for each: the exit code, then both outputs as length and bytes.
 */
public class StockTools {
    /** Thrown where the tool asked for its end. Tools catch it and go on; what they say then is not counted. */
    static class Ended extends RuntimeException { }

    static Integer code;
    static final Captured out = new Captured();
    static final Captured err = new Captured();

    /** What is written until the tool asks for its end. */
    static class Captured extends ByteArrayOutputStream {
        @Override public synchronized void write(int one) {
            if (code == null) super.write(one);
        }

        @Override public synchronized void write(byte[] bytes, int from, int count) {
            if (code == null) super.write(bytes, from, count);
        }
    }

    public static void main(String[] args) throws Exception {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream answers = new DataOutputStream(System.out);
        Exit.Procedure ends = (status, message) -> {
            System.out.flush();
            System.err.flush();
            if (code == null) code = status;
            throw new Ended();
        };
        Exit.setExitProcedure(ends);
        Exit.setHaltProcedure(ends);
        while (true) {
            String[] words;
            try {
                words = words(in);
            } catch (EOFException end) {
                Runtime.getRuntime().halt(0);
                return;
            }
            code = null;
            out.reset();
            err.reset();
            System.setOut(new PrintStream(out, true, "UTF-8"));
            System.setErr(new PrintStream(err, true, "UTF-8"));
            int status = run(words);
            System.out.flush();
            System.err.flush();
            answers.writeInt(status);
            for (Captured captured : new Captured[] {out, err}) {
                byte[] bytes = captured.toByteArray();
                answers.writeInt(bytes.length);
                answers.write(bytes);
            }
            answers.flush();
        }
    }

    static String[] words(DataInputStream in) throws IOException {
        String[] words = new String[in.readInt()];
        for (int at = 0; at < words.length; at++) {
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            words[at] = new String(bytes, StandardCharsets.UTF_8);
        }
        return words;
    }

    static int run(String[] words) throws Exception {
        String[] args = new String[words.length - 1];
        System.arraycopy(words, 1, args, 0, args.length);
        try {
            Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException thrown) {
            if (code == null) {
                // What the virtual machine itself does.
                System.err.print("Exception in thread \"main\" ");
                thrown.getCause().printStackTrace();
                return 1;
            }
        }
        return code == null ? 0 : code;
    }
}
