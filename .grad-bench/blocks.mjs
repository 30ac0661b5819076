import { GraphBuilder, encodeModel } from './lib.mjs';
import * as ort from 'onnxruntime-node';
const rows=+process.argv[2]; const IN=25088, OUT=4096, N=16;
const g=new GraphBuilder(); const x=g.input('x','float32',['n','r']), d=g.input('d','float32',['n',OUT]);
g.output(g.add('Gemm',[x,d],{transA:1})); const name=g.outputs[0].name;
const se=await ort.InferenceSession.create(encodeModel(g,{name:'o'}),{extra:{session:{'intra_op.allow_spinning':process.argv[3]??'0'}},logSeverityLevel:4});
const X=new Float32Array(N*IN).fill(.5); const dy=new ort.Tensor('float32',new Float32Array(N*OUT).fill(.25),[N,OUT]);
const p=new Float32Array(IN*OUT),m=new Float32Array(IN*OUT),v=new Float32Array(IN*OUT);
function adam(p,m,v,g,size,b1,b2,eps,sh){for(let i=0;i<g.length;i++){const gg=g[i];const mm=b1*m[i]+(1-b1)*gg;const vv=b2*v[i]+(1-b2)*gg*gg;m[i]=mm;v[i]=vv;p[i]=p[i]*sh-size*mm/(Math.sqrt(vv)+eps);}}
for(let k=0;k<6;k++){const a=process.cpuUsage(),t=performance.now();let tg=0;
 for(let r=0;r<IN;r+=rows){const c=Math.min(rows,IN-r);const xb=new Float32Array(N*c);for(let n=0;n<N;n++)xb.set(X.subarray(n*IN+r,n*IN+r+c),n*c);
  const t0=performance.now();const o=(await se.run({x:new ort.Tensor('float32',xb,[N,c]),d:dy}))[name].data;tg+=performance.now()-t0;
  const s=r*OUT,e=s+c*OUT;adam(p.subarray(s,e),m.subarray(s,e),v.subarray(s,e),o,1e-5,.9,.999,1e-7,1);}
 const b=process.cpuUsage(a);console.log(rows,'cpu',((b.user+b.system)/1000).toFixed(0),'wall',(performance.now()-t).toFixed(0),'gemm wall',tg.toFixed(0));}
