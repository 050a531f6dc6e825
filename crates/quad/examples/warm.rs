use quad::*; use std::f64::consts::PI;
fn main(){ let kappa=20000.0f64;
  let mut mesh=Mesh::default().refined_near(&Direction::from_angles(0.9,0.4).unwrap(), 3.0/kappa.sqrt()).unwrap();
  for step in 0..30 { let t=step as f64*0.01; let u=Direction::from_angles(0.9+t*0.7,0.4+t).unwrap();
   let f=pointwise(|d:&Direction|(kappa*(u.dot(d)-1.0)).exp());
   let start=(mesh.len(),mesh.evaluations());
   let e=Automatic::default().relative_tolerance(1e-6).integrate_from(SolidAngle,&mut mesh,&f).unwrap();
   println!("{step} start {start:?} N={} {:?} err {:.1e} est {:.1e} next {} {}",e.evaluations,e.method,e.value/(2.0*PI/kappa)-1.0,e.error_estimate/e.value,mesh.len(),mesh.evaluations());
 }}
